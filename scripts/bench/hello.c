/*
 * A libfcgi hello-world, to compare with: as little as a FastCGI program can do for a request. As
 * many threads as Sluice has desks.
 *
 *   hello SOCKET
 */
#include <fcgiapp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4 };

static void *serve(void *context)
{
	FCGX_Request request;

	if (FCGX_InitRequest(&request, *(int *)context, 0))
		exit(1);
	while (FCGX_Accept_r(&request) == 0) {
		FCGX_PutS(
		    "Content-Type: text/event-stream\r\nContent-Length: 14\r\n\r\ndata: hello\n\n\n",
		    request.out);
		FCGX_Finish_r(&request);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	if (argc != 2 || FCGX_Init())
		return 2;
	int fd = FCGX_OpenSocket(argv[1], 4096);
	if (fd < 0)
		return 1;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, serve, &fd))
			return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
