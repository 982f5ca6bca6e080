/* Load generator: distinct UDP/IPv4 flows, one packet of each in turn, out of one end of a veth pair.
 *
 *   blast -i INTERFACE -d DESTINATION -f FLOWS -s FRAME_BYTES [-n PACKETS] [-r PACKETS_PER_SECOND] [-t SECONDS] [-p]
 *
 * Ends after PACKETS, after SECONDS, or on SIGTERM or SIGINT; then prints one line of JSON. To be run on one CPU.
 *
 * Frames come from BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES (Linux 5.18): an XDP program numbers the flow and
 * redirects to the interface, which costs a third of an AF_PACKET socket's sendmmsg. The other end of the pair must have
 * GRO on, or it has no NAPI context to take such frames. -p: the packet socket (packet(7)) instead, for older kernels.
 *
 * Frames go to a foreign MAC address: the receiving kernel drops them right after the packet taps, so what is measured
 * are the taps and not UDP. The generator sleeps between bursts; its CPU time is the work of sending and, since veth
 * receives in a softirq on the same CPU, of receiving.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

enum { IP_AT = 14, CHECKSUM_AT = 24, HOST_AT = 28, UDP_AT = 34, MIN_FRAME = 42, MAX_FRAME = 3000 };
enum { FIRST_PORT = 1024, HOSTS = 256, FIRST_HOST = 256, MAX_FLOWS = HOSTS * 60000 };

/* Each test run waits some 30 ms for RCU at its end, without work: others run meanwhile. It also costs some 0.4 ms of
 * CPU, so runs are long enough for that to be little for a packet, but at most RUN_SECONDS apart. */
enum { THREADS = 16, BURST = 64, ENOUGH_FOR_A_RUN = 4096, FASTEST_RUN = 16384, MOST_RUNS_A_SECOND = 100 };
#define RUN_SECONDS 0.05

static unsigned char template[MAX_FRAME];
static int size = 60;
static unsigned template_sum;
static unsigned interface_index;
static uint32_t flows = 1;
static double rate;
static uint64_t start_ns, end_ns = UINT64_MAX;
static _Atomic uint64_t claimed, sent;
static uint64_t wanted = UINT64_MAX;
static atomic_bool stopping;
static int program;

static void fail(const char *what)
{
    fprintf(stderr, "blast: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t due_ns)
{
    struct timespec due = {(time_t)(due_ns / 1000000000u), (long)(due_ns % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static void put16(unsigned char *at, unsigned value)
{
    at[0] = value >> 8;
    at[1] = value;
}

/* What all flows share. 198.18.0.0/15 is for benchmarks (RFC 2544). UDP goes without a checksum. */
static void fill_template(const char *destination)
{
    static const unsigned char ethernet[IP_AT] = {2, 0, 0, 0, 0, 0xee, 2, 0, 0, 0, 0, 1, 8, 0};
    unsigned char *ip = template + IP_AT, *udp = template + UDP_AT;
    memcpy(template, ethernet, sizeof ethernet);
    ip[0] = 0x45;
    put16(ip + 2, size - IP_AT);
    ip[8] = 64;
    ip[9] = IPPROTO_UDP;
    ip[12] = 198;
    ip[13] = 18;
    inet_pton(AF_INET, destination, ip + 16);
    put16(udp + 2, 5000);
    put16(udp + 4, size - UDP_AT);
    for (int i = IP_AT; i < UDP_AT; i += 2)
        template_sum += template[i] << 8 | template[i + 1];
    template_sum = (template_sum & 0xffff) + (template_sum >> 16);
}

static void fill_flow(unsigned char *frame, uint32_t flow)
{
    unsigned host = flow % HOSTS + FIRST_HOST, sum = template_sum + host;
    sum = (sum & 0xffff) + (sum >> 16);
    put16(frame + CHECKSUM_AT, ~sum & 0xffff);
    put16(frame + HOST_AT, host);
    put16(frame + UDP_AT, FIRST_PORT + flow / HOSTS);
}

/* How many packets the caller may send now, at most `most`; 0 at the end. */
static uint64_t claim(uint64_t most)
{
    if (stopping || now_ns() >= end_ns)
        return 0;
    uint64_t before = atomic_fetch_add(&claimed, most);
    if (before >= wanted)
        return 0;
    return wanted - before < most ? wanted - before : most;
}

static void load_program(void)
{
    union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
    int counter = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes);
    if (counter < 0)
        fail("BPF_MAP_CREATE");
    struct bpf_insn code[] = {
        {BPF_LD | BPF_DW | BPF_IMM, 0, BPF_PSEUDO_MAP_VALUE, 0, counter}, {0, 0, 0, 0, 0}, /* r0 = &counter */
        {BPF_LDX | BPF_DW | BPF_MEM, 7, 0, 0, 0},                                          /* r7 = counter++ % flows */
        {BPF_ALU64 | BPF_MOV | BPF_X, 8, 7, 0, 0},
        {BPF_ALU64 | BPF_ADD | BPF_K, 8, 0, 0, 1},
        {BPF_STX | BPF_DW | BPF_MEM, 0, 8, 0, 0},
        {BPF_ALU64 | BPF_MOD | BPF_K, 7, 0, 0, (int)flows},
        {BPF_LDX | BPF_W | BPF_MEM, 2, 1, 0, 0}, /* r2 = data, and room for the headers */
        {BPF_LDX | BPF_W | BPF_MEM, 3, 1, 4, 0},
        {BPF_ALU64 | BPF_MOV | BPF_X, 4, 2, 0, 0},
        {BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, MIN_FRAME},
        {BPF_JMP | BPF_JGT | BPF_X, 4, 3, 22, 0},
        {BPF_ALU64 | BPF_MOV | BPF_X, 5, 7, 0, 0}, /* the same as fill_flow */
        {BPF_ALU64 | BPF_AND | BPF_K, 5, 0, 0, HOSTS - 1},
        {BPF_ALU64 | BPF_ADD | BPF_K, 5, 0, 0, FIRST_HOST},
        {BPF_ALU64 | BPF_MOV | BPF_X, 4, 5, 0, 0},
        {BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, (int)template_sum},
        {BPF_ALU64 | BPF_MOV | BPF_X, 3, 4, 0, 0},
        {BPF_ALU64 | BPF_RSH | BPF_K, 3, 0, 0, 16},
        {BPF_ALU64 | BPF_ADD | BPF_X, 4, 3, 0, 0},
        {BPF_ALU64 | BPF_AND | BPF_K, 4, 0, 0, 0xffff},
        {BPF_ALU64 | BPF_XOR | BPF_K, 4, 0, 0, 0xffff},
        {BPF_ALU | BPF_END | BPF_TO_BE, 4, 0, 0, 16},
        {BPF_STX | BPF_H | BPF_MEM, 2, 4, CHECKSUM_AT, 0},
        {BPF_ALU | BPF_END | BPF_TO_BE, 5, 0, 0, 16},
        {BPF_STX | BPF_H | BPF_MEM, 2, 5, HOST_AT, 0},
        {BPF_ALU64 | BPF_RSH | BPF_K, 7, 0, 0, 8}, /* HOSTS is 256 */
        {BPF_ALU64 | BPF_ADD | BPF_K, 7, 0, 0, FIRST_PORT},
        {BPF_ALU | BPF_END | BPF_TO_BE, 7, 0, 0, 16},
        {BPF_STX | BPF_H | BPF_MEM, 2, 7, UDP_AT, 0},
        {BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, (int)interface_index},
        {BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 0},
        {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
        {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_DROP}, /* too short for the headers */
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
    };
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_XDP;
    attributes.insn_cnt = sizeof code / sizeof *code;
    attributes.insns = (uintptr_t)code;
    attributes.license = (uintptr_t) "GPL";
    program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
    if (program < 0)
        fail("BPF_PROG_LOAD");
}

static uint64_t packets_of_run(void)
{
    if (rate <= 0)
        return FASTEST_RUN;
    double run = rate * RUN_SECONDS < ENOUGH_FOR_A_RUN ? rate * RUN_SECONDS : ENOUGH_FOR_A_RUN;
    return (uint64_t)(rate / MOST_RUNS_A_SECOND > run ? rate / MOST_RUNS_A_SECOND : run) + 1;
}

/* One thread's share of the frames; at a rate, all threads' runs are evenly apart. */
static void *redirect_frames(void *number)
{
    uint64_t run = packets_of_run(), count;
    uint64_t run_ns = rate > 0 ? (uint64_t)((double)run / rate * 1e9) : 0;
    uint64_t due_ns = start_ns + (uintptr_t)number * run_ns;
    for (;; due_ns += THREADS * run_ns) {
        if (rate > 0)
            sleep_until(due_ns);
        if (!(count = claim(run)))
            return NULL;
        union bpf_attr attributes = {.test = {.prog_fd = (uint32_t)program,
                                              .data_size_in = (uint32_t)size,
                                              .data_in = (uintptr_t)template,
                                              .repeat = (uint32_t)count,
                                              .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
                                              .batch_size = BURST}};
        if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof attributes) < 0)
            fail("BPF_PROG_TEST_RUN");
        sent += count;
    }
}

static void send_burst(int fd, struct mmsghdr *messages, unsigned count)
{
    for (unsigned done = 0; done < count;) {
        int result = sendmmsg(fd, messages + done, count - done, 0);
        if (result > 0)
            done += (unsigned)result;
        else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
            fail("sendmmsg");
    }
}

static void *send_packets(void *unused)
{
    static unsigned char frames[BURST][MAX_FRAME];
    struct mmsghdr messages[BURST] = {0};
    struct iovec parts[BURST];
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)interface_index};
    int one = 1, fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0
        || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) < 0)
        fail("packet socket");
    for (int i = 0; i < BURST; i++) {
        memcpy(frames[i], template, (size_t)size);
        parts[i] = (struct iovec){frames[i], (size_t)size};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    uint64_t count;
    for (uint32_t flow = 0; (count = claim(BURST)) > 0; sent += count) {
        for (uint64_t i = 0; i < count; i++) {
            fill_flow(frames[i], flow);
            if (++flow >= flows)
                flow = 0;
        }
        if (rate > 0)
            sleep_until(start_ns + (uint64_t)(sent / rate * 1e9));
        send_burst(fd, messages, (unsigned)count);
    }
    return unused;
}

static void run_threads(void *(*work)(void *), int count)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < (uintptr_t)count; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i))
            fail("pthread_create");
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* A signal would cut a test run short and its count be unknown: one thread waits for it, the others never see it. */
static void *await_stop(void *signals)
{
    int number;
    sigwait(signals, &number);
    stopping = 1;
    return NULL;
}

int main(int argc, char **argv)
{
    const char *interface = "", *destination = "";
    double seconds = 0;
    int option, by_socket = 0;

    while ((option = getopt(argc, argv, "i:d:n:f:s:r:t:p")) > 0)
        switch (option) {
        case 'i': interface = optarg; break;
        case 'd': destination = optarg; break;
        case 'n': wanted = strtoull(optarg, NULL, 10); break;
        case 'f': flows = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 's': size = atoi(optarg); break;
        case 'r': rate = atof(optarg); break;
        case 't': seconds = atof(optarg); break;
        case 'p': by_socket = 1; break;
        default: return 2;
        }
    if (size < MIN_FRAME || size > MAX_FRAME || flows < 1 || flows > MAX_FLOWS) {
        fprintf(stderr, "blast: frames of %d to %d bytes, 1 to %d flows\n", MIN_FRAME, MAX_FRAME, MAX_FLOWS);
        return 2;
    }
    if (!(interface_index = if_nametoindex(interface)))
        fail(interface);
    fill_template(destination);
    prctl(PR_SET_TIMERSLACK, 1UL);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pthread_t waiter;
    if (pthread_create(&waiter, NULL, await_stop, &signals))
        fail("pthread_create");

    if (!by_socket)
        load_program();
    start_ns = now_ns();
    if (seconds > 0)
        end_ns = start_ns + (uint64_t)(seconds * 1e9);
    run_threads(by_socket ? send_packets : redirect_frames, by_socket ? 1 : THREADS);
    double wall_seconds = (double)(now_ns() - start_ns) / 1e9;

    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                         + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"packets\": %" PRIu64 ", \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n", (uint64_t)sent, wall_seconds,
           cpu_seconds);
    return 0;
}
