/* Limit is the least that a WebSocket echo costs: one thread behind epoll, one read, one
 * write, and between them as little as the protocol allows. It allocates nothing, checks
 * nothing but lengths, and knows whole frames only: what is cut off by the end of the
 * buffer waits in it for the rest. It is a measure and no server. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNS = 8192, BUFFER = 64 << 10, EVENTS = 256 };

static unsigned char in[BUFFER];  /* read into by all connections */
static unsigned char out[BUFFER]; /* what goes back: never longer than what came */

/* The answer to the one key that the load sends. */
static const char answer[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/* What is kept of a connection between two events. */
static struct {
    int open;            /* the handshake is over */
    int kept;            /* bytes in rest */
    unsigned char *rest; /* the beginning of a frame; all are set aside at the start */
} conns[CONNS];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* unmask copies n bytes, eight at a time. */
static void unmask(unsigned char *to, const unsigned char *from, size_t n, uint32_t key) {
    uint64_t wide = (uint64_t)key << 32 | key;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t x;
        memcpy(&x, from + i, 8);
        x ^= wide;
        memcpy(to + i, &x, 8);
    }
    for (; i < n; i++) to[i] = from[i] ^ ((unsigned char *)&key)[i & 3];
}

/* echo turns the whole frames among n bytes into the server's, and returns how many bytes
 * it has taken. */
static size_t echo(size_t n, size_t *written) {
    size_t at = 0, w = 0;
    while (n - at >= 6) {
        const unsigned char *f = in + at;
        size_t length = f[1] & 0x7f, header = 2;
        if (length == 126) {
            length = (size_t)f[2] << 8 | f[3];
            header = 4;
        }
        if (n - at < header + 4 + length) break;
        uint32_t key;
        memcpy(&key, f + header, 4);
        memcpy(out + w, f, header);
        out[w + 1] &= 0x7f;
        unmask(out + w + header, f + header + 4, length, key);
        w += header + length;
        at += header + 4 + length;
    }
    *written = w;
    return at;
}

static void drop(int fd) {
    conns[fd].open = conns[fd].kept = 0;
    close(fd);
}

static void serve(int fd) {
    size_t kept = (size_t)conns[fd].kept;
    if (kept) memcpy(in, conns[fd].rest, kept);
    ssize_t got = read(fd, in + kept, BUFFER - kept);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        drop(fd);
        return;
    }
    size_t n = kept + (size_t)got, written = 0, taken;
    if (!conns[fd].open) { /* the load sends its request in one piece */
        conns[fd].open = 1;
        if (write(fd, answer, sizeof answer - 1) < 0) drop(fd);
        return;
    }
    taken = echo(n, &written);
    conns[fd].kept = (int)(n - taken);
    memcpy(conns[fd].rest, in + taken, n - taken);
    /* The load reads all the time, so the socket takes everything. */
    if (written && write(fd, out, written) != (ssize_t)written) drop(fd);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: limit PORT\n");
        return 2;
    }
    unsigned char *rests = malloc((size_t)CONNS * BUFFER); /* touched where it is used */
    if (!rests) fail("malloc");
    for (int i = 0; i < CONNS; i++) conns[i].rest = rests + (size_t)i * BUFFER;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
    if (listen(listener, 1024) < 0) fail("listen");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) fail("epoll");
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                serve(fd);
                continue;
            }
            fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) continue;
            if (fd >= CONNS) {
                close(fd);
                continue;
            }
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
            if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) drop(fd);
        }
    }
}
