/*
 * What Python cannot do, or not fast enough. The first argument says what; each process that moves something prints
 * "PID SENT RECEIVED" on a line of its own.
 *
 *   burst ADDRESS PORT COUNT   COUNT processes, one after the other, of one socket each; most live under a millisecond
 *   one ADDRESS PORT NUMBER    one of those: even numbers speak UDP, odd ones TCP
 *   uring ADDRESS PORT         TCP over io_uring alone; exits with 77 where the kernel refuses it
 *   messages ADDRESS PORT      sendmmsg(2) and recvmmsg(2)
 *
 * The other end is serving.py: a stream begins with the length of its answer as 4 bytes, a datagram with 2.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REFUSED = 77, CHUNK = 20000, STREAM = 300000, MESSAGES = 10, FIRST_PORT = 10000 };

static char buffer[65536];

static void fail(const char *what)
{
	perror(what);
	_exit(1);
}

static int report(long sent, long received)
{
	char line[96];
	int length = snprintf(line, sizeof line, "%d %ld %ld\n", getpid(), sent, received);

	return write(1, line, length) == length ? 0 : 1;
}

/* `own_port` 0: any. */
static int connected(const char *address, const char *port, int type, int own_port)
{
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(own_port)};
	struct timeval patience = {10, 0};
	int end = socket(AF_INET, type, 0);

	inet_pton(AF_INET, address, &peer.sin_addr);
	setsockopt(end, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (end < 0 || bind(end, (struct sockaddr *)&own, sizeof own) || connect(end, (struct sockaddr *)&peer, sizeof peer))
		fail("connect");
	return end;
}

static int one(const char *address, const char *port, int number)
{
	int stream = number % 2, prefix = stream ? 4 : 2;
	long size = prefix + 300 + number % 500, received = 0, got;
	unsigned answer = 100 + number % 300;
	/* The kernel gives a port to one short-lived UDP socket after the other: then their packets are one flow. */
	int end = connected(address, port, stream ? SOCK_STREAM : SOCK_DGRAM, stream ? 0 : FIRST_PORT + number);

	if (stream)
		*(unsigned *)buffer = htonl(answer);
	else
		*(unsigned short *)buffer = htons(answer);
	if (send(end, buffer, size, 0) != size)
		fail("send");
	if (stream)
		shutdown(end, SHUT_WR);
	while ((got = recv(end, buffer, sizeof buffer, 0)) > 0) {
		received += got;
		if (!stream)
			break;
	}
	if (received != answer)
		fail("recv");
	return report(size, received);
}

static int burst(char **arguments, const char *self)
{
	int count = atoi(arguments[2]), status, failed = 0;
	char number[16];

	for (int i = 0; i < count; i++) {
		snprintf(number, sizeof number, "%d", i);
		char *child[] = {(char *)self, "one", arguments[0], arguments[1], number, NULL};

		if (posix_spawn(NULL, self, NULL, NULL, child, NULL))
			return 1;
		wait(&status);
		failed += status != 0;
	}
	return failed != 0;
}

struct ring {
	int descriptor;
	unsigned *tail, *head, *mask, *array;
	struct io_uring_sqe *entries;
	struct io_uring_cqe *results;
	unsigned *results_head, *results_tail, *results_mask;
};

static void *mapped(int descriptor, size_t size, unsigned long long offset)
{
	void *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor, offset);

	if (place == MAP_FAILED)
		fail("mmap");
	return place;
}

static void open_ring(struct ring *ring)
{
	struct io_uring_params p = {0};
	char *submit, *complete;

	ring->descriptor = syscall(__NR_io_uring_setup, 8, &p);
	if (ring->descriptor < 0) {
		perror("io_uring_setup");
		_exit(errno == ENOSYS || errno == EPERM ? REFUSED : 1);
	}
	submit = mapped(ring->descriptor, p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	complete = mapped(ring->descriptor, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
			  IORING_OFF_CQ_RING);
	ring->entries = mapped(ring->descriptor, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring->head = (unsigned *)(submit + p.sq_off.head);
	ring->tail = (unsigned *)(submit + p.sq_off.tail);
	ring->mask = (unsigned *)(submit + p.sq_off.ring_mask);
	ring->array = (unsigned *)(submit + p.sq_off.array);
	ring->results = (struct io_uring_cqe *)(complete + p.cq_off.cqes);
	ring->results_head = (unsigned *)(complete + p.cq_off.head);
	ring->results_tail = (unsigned *)(complete + p.cq_off.tail);
	ring->results_mask = (unsigned *)(complete + p.cq_off.ring_mask);
}

/* One request at a time; what it returned. */
static int request(struct ring *ring, int operation, int end, unsigned length)
{
	unsigned slot = *ring->tail & *ring->mask;
	struct io_uring_sqe *entry = &ring->entries[slot];
	int result;

	memset(entry, 0, sizeof *entry);
	entry->opcode = operation;
	entry->fd = end;
	entry->addr = (unsigned long)buffer;
	entry->len = length;
	entry->msg_flags = MSG_NOSIGNAL;
	ring->array[slot] = slot;
	__atomic_store_n(ring->tail, *ring->tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring->descriptor, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		fail("io_uring_enter");
	while (__atomic_load_n(ring->results_tail, __ATOMIC_ACQUIRE) == *ring->results_head)
		;
	result = ring->results[*ring->results_head & *ring->results_mask].res;
	__atomic_store_n(ring->results_head, *ring->results_head + 1, __ATOMIC_RELEASE);
	return result;
}

static int uring(const char *address, const char *port)
{
	struct ring ring;
	long sent = 0, received = 0;
	int end, got;

	open_ring(&ring);
	end = connected(address, port, SOCK_STREAM, 0);
	while (sent < STREAM) {
		*(unsigned *)buffer = htonl(STREAM);
		got = request(&ring, IORING_OP_SEND, end, CHUNK);
		if (got <= 0)
			fail("io_uring send");
		sent += got;
	}
	shutdown(end, SHUT_WR);
	while ((got = request(&ring, IORING_OP_RECV, end, sizeof buffer)) > 0)
		received += got;
	return report(sent, received);
}

static int messages(const char *address, const char *port)
{
	int end = connected(address, port, SOCK_DGRAM, 0), received = 0, got;
	long received_bytes = 0;
	struct mmsghdr batch[MESSAGES] = {0};
	struct iovec parts[MESSAGES];

	*(unsigned short *)buffer = htons(700);
	for (int i = 0; i < MESSAGES; i++) {
		parts[i] = (struct iovec){buffer, 250};
		batch[i].msg_hdr.msg_iov = &parts[i];
		batch[i].msg_hdr.msg_iovlen = 1;
	}
	if (sendmmsg(end, batch, MESSAGES, 0) != MESSAGES)
		fail("sendmmsg");
	for (int i = 0; i < MESSAGES; i++)
		parts[i].iov_len = 2000;
	while (received < MESSAGES) {
		got = recvmmsg(end, batch, MESSAGES - received, MSG_WAITFORONE, NULL);
		if (got <= 0)
			fail("recvmmsg");
		for (int i = 0; i < got; i++)
			received_bytes += batch[i].msg_len;
		received += got;
	}
	return report(MESSAGES * 250, received_bytes);
}

int main(int count, char **arguments)
{
	if (count == 5 && !strcmp(arguments[1], "burst"))
		return burst(arguments + 2, arguments[0]);
	if (count == 5 && !strcmp(arguments[1], "one"))
		return one(arguments[2], arguments[3], atoi(arguments[4]));
	if (count == 4 && !strcmp(arguments[1], "uring"))
		return uring(arguments[2], arguments[3]);
	if (count == 4 && !strcmp(arguments[1], "messages"))
		return messages(arguments[2], arguments[3]);
	return 2;
}
