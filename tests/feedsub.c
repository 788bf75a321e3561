/*
 * The smallest subscriber of the live feed: feedsub ENDPOINT TOPIC COUNT.
 * Nothing but libzmq: what any program in any language can do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

int
main(int argc, char **argv)
{
	char topic[512], head[65536], payload[65536];
	void *sub = zmq_socket(zmq_ctx_new(), ZMQ_SUB);

	if (argc != 4 || zmq_connect(sub, argv[1]) == -1)
		return 64;
	zmq_setsockopt(sub, ZMQ_SUBSCRIBE, argv[2], strlen(argv[2]) + 1);
	for (int i = atoi(argv[3]); i > 0; i--) {
		zmq_recv(sub, topic, sizeof(topic), 0);
		zmq_recv(sub, head, sizeof(head), 0); /* msgpack */
		printf("%s: %d bytes\n", topic,
		    zmq_recv(sub, payload, sizeof(payload), 0));
	}
	return 0;
}
