/* Many clients of one registry at once, from one thread: `pull [options] HOST PORT LIST`.

   LIST is a file with a line for each request, in order: `METHOD PATH FILE`. The body that comes
   must be what FILE holds, byte by byte; `-` for FILE: any body of the announced length. A line
   `--` has all requests before it end before the next one begins. Each client makes all requests
   of the list, over --parallel connections that it keeps.

   It prints one line of JSON, times in seconds from the start; or says what was wrong, and ends
   with 1. bench/crowd.py runs it. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_HEAD = 16384, BUFFER = 262144, EVENTS = 512 };
static const double TICK = 0.05, PATIENCE = 120.0;

typedef struct { char method[8], path[512]; const char *data; off_t size; int is_barrier; } Item;
typedef enum { IDLE, CONNECTING, SHAKING, SENDING, HEAD, BODY } State;
typedef struct Client Client;

typedef struct {
    Client *client;
    SSL *tls;
    State state;
    Item *item;
    int fd, is_paused;
    size_t head_size;
    off_t length, position;
    double asked_at, begun_at;
    char head[MOST_HEAD];
} Connection;

struct Client { int next, running; double done_at; Connection *connections; };

static struct sockaddr_in address;
static SSL_CTX *context;
static Item *items;
static Client *clients;
static int item_count, client_count = 1, parallel = 1, drops, is_tls, poller;
static double rate, longest;
static const char *header = "";
static char host[64], buffer[BUFFER];
static double started, *first_bytes;
static long first_byte_count, answers, most_first_bytes;
static long long total;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void watch(Connection *c, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

static void map_file(Item *item, const char *file) {
    struct stat found;
    int fd = open(file, O_RDONLY);
    if (fd < 0 || fstat(fd, &found)) fail("%s: %s", file, strerror(errno));
    item->size = found.st_size;
    item->data = mmap(NULL, (size_t)found.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (item->data == MAP_FAILED) fail("%s: %s", file, strerror(errno));
    close(fd);
}

static void read_list(const char *path) {
    char line[2048], file[1024];
    FILE *list = fopen(path, "r");
    if (!list) fail("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, list)) {
        items = realloc(items, sizeof *items * (size_t)(item_count + 1));
        Item *item = &items[item_count++];
        memset(item, 0, sizeof *item);
        if (!strncmp(line, "--", 2)) { item->is_barrier = 1; continue; }
        if (sscanf(line, "%7s %511s %1023s", item->method, item->path, file) != 3)
            fail("%s: cannot be read: %s", path, line);
        if (strcmp(file, "-")) map_file(item, file);
    }
    fclose(list);
}

static void let_go(Connection *c) {
    if (c->tls) { SSL_free(c->tls); c->tls = NULL; }
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->state = IDLE;
}

static void ask(Connection *c);

static void connect_to(Connection *c) {
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) fail("socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->state = CONNECTING;
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    watch(c, EPOLLOUT, EPOLL_CTL_ADD);
}

/* The client's next request that may begin now, on a connection that has none. */
static int take(Client *client, Connection *c) {
    while (client->next < item_count && items[client->next].is_barrier) {
        if (client->running) return 0;
        client->next++;
    }
    if (client->next >= item_count) return 0;
    c->item = &items[client->next++];
    c->position = c->length = 0;
    c->head_size = 0;
    c->asked_at = now();
    client->running++;
    if (c->fd < 0) connect_to(c); else ask(c);
    return 1;
}

static void hand_out(Client *client) {
    for (int number = 0; number < parallel; number++) {
        Connection *c = &client->connections[number];
        if ((c->state == IDLE) && !take(client, c)) break;
    }
    if (client->next >= item_count && !client->running && !client->done_at)
        client->done_at = now() - started;
}

static void ask(Connection *c) {
    char request[4096];
    int size = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n",
                        c->item->method, c->item->path, host, header);
    long sent = c->tls ? SSL_write(c->tls, request, size) : send(c->fd, request, (size_t)size, 0);
    if (sent != size) fail("%s: the request cannot be sent: %s", c->item->path, strerror(errno));
    c->state = HEAD;
    c->is_paused = 0;
    watch(c, EPOLLIN, EPOLL_CTL_MOD);
}

static void end_answer(Connection *c) {
    Item *item = c->item;
    if (item->data && strcmp(item->method, "HEAD") && c->position != item->size)
        fail("%s: %lld bytes, not %lld", item->path, (long long)c->position, (long long)item->size);
    answers++;
    c->client->running--;
    c->state = IDLE;
    if (strcasestr(c->head, "\r\nConnection: close")) let_go(c);
    hand_out(c->client);
}

static void take_body(Connection *c, const char *bytes, ssize_t count) {
    Item *item = c->item;
    if (!c->position && count) {
        c->begun_at = now();
        if (first_byte_count < most_first_bytes)
            first_bytes[first_byte_count++] = c->begun_at - c->asked_at;
    }
    if (bytes && item->data &&
        (c->position + count > item->size || memcmp(bytes, item->data + c->position, (size_t)count)))
        fail("%s: wrong bytes from %lld on", item->path, (long long)c->position);
    c->position += count;
    total += count;
    if (c->position > c->length) fail("%s: more bytes than announced", item->path);
}

static ssize_t receive(Connection *c, char *into, size_t most, int flags) {
    if (!c->tls) return recv(c->fd, into, most, flags);
    int got = SSL_read(c->tls, into, (int)most);
    if (got > 0) return got;
    int why = SSL_get_error(c->tls, got);
    if (why == SSL_ERROR_WANT_READ) { errno = EAGAIN; return -1; }
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static int read_head(Connection *c) {
    ssize_t got = receive(c, c->head + c->head_size, MOST_HEAD - 1 - c->head_size, 0);
    if (got < 0 && errno == EAGAIN) return 0;
    if (got <= 0) fail("%s: no answer: %s", c->item->path, got ? strerror(errno) : "closed");
    c->head_size += (size_t)got;
    c->head[c->head_size] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return c->head_size < MOST_HEAD - 1;
    if (strncmp(c->head, "HTTP/1.1 2", 10)) fail("%s: %.40s", c->item->path, c->head);
    size_t rest = c->head_size - (size_t)(end + 4 - c->head);
    const char *length = strcasestr(c->head, "\r\nContent-Length:");
    if (!length) fail("%s: no Content-Length", c->item->path);
    c->length = strcmp(c->item->method, "HEAD") ? atoll(length + 17) : 0;
    c->state = BODY;
    if (rest) take_body(c, end + 4, (ssize_t)rest);
    end[2] = 0;
    return 1;
}

static size_t allowance(Connection *c) {
    if (rate <= 0 || !c->position) return BUFFER;
    double most = rate * (now() - c->begun_at + TICK) - (double)c->position;
    /* Not byte by byte as time passes: that would be all that this machine has time for. */
    double least = rate * TICK / 2;
    return most < least ? 0 : most > BUFFER ? BUFFER : (size_t)most;
}

static void go_on(Connection *c) {
    if (c->state == IDLE) { let_go(c); return; }  /* the server has had enough of waiting */
    if (c->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) fail("connect: %s", strerror(error));
        if (!is_tls) { ask(c); return; }
        c->tls = SSL_new(context);
        SSL_set_fd(c->tls, c->fd);
        c->state = SHAKING;
    }
    if (c->state == SHAKING) {
        int done = SSL_connect(c->tls);
        if (done == 1) { ask(c); return; }
        int why = SSL_get_error(c->tls, done);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) fail("TLS failed");
        watch(c, why == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT, EPOLL_CTL_MOD);
        return;
    }
    if (c->state == HEAD && !read_head(c)) return;
    /* A few pieces at a time, so that no connection waits long for the others. */
    for (int piece = 0; c->state == BODY && (piece < 8 || (c->tls && SSL_pending(c->tls))); piece++) {
        if (c->position == c->length) { end_answer(c); return; }
        size_t most = allowance(c);
        if (!most) { c->is_paused = 1; watch(c, 0, EPOLL_CTL_MOD); return; }
        /* Dropped in the kernel (tcp(7)): what the server does is measured, not this client. */
        int drop = drops && !c->tls;
        if (drop && rate <= 0) most = 16 * 1024 * 1024;
        if ((off_t)most > c->length - c->position) most = (size_t)(c->length - c->position);
        ssize_t got = receive(c, buffer, most, drop ? MSG_TRUNC : 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0)
            fail("%s: broke off after %lld of %lld bytes", c->item->path, (long long)c->position,
                 (long long)c->length);
        take_body(c, drop ? NULL : buffer, got);
    }
    if (c->state == BODY && c->position == c->length) end_answer(c);
}

static int by_size(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static int all_done(void) {
    for (int number = 0; number < client_count; number++)
        if (!clients[number].done_at) return 0;
    return 1;
}

static void wake_paused(void) {
    for (int number = 0; number < client_count * parallel; number++) {
        Connection *c = &clients[number / parallel].connections[number % parallel];
        if (c->fd >= 0 && c->is_paused && allowance(c)) { c->is_paused = 0; watch(c, EPOLLIN, EPOLL_CTL_MOD); }
    }
}

static void run(void) {
    struct epoll_event events[EVENTS];
    double ticked = started, moved = started;
    long long before = -1;
    while (!all_done() && (longest <= 0 || now() - started < longest)) {
        int ready = epoll_wait(poller, events, EVENTS, (int)(TICK * 1000));
        for (int number = 0; number < ready; number++) go_on(events[number].data.ptr);
        double at = now();
        if (at - ticked >= TICK) { ticked = at; wake_paused(); }
        if (total + answers != before) { before = total + answers; moved = at; }
        if (at - moved > PATIENCE) fail("nothing came for %.0f s", PATIENCE);
    }
}

static void report(void) {
    double seconds = now() - started, last = 0, *done = calloc((size_t)client_count, sizeof *done);
    for (int number = 0; number < client_count; number++) {
        done[number] = clients[number].done_at ? clients[number].done_at : seconds;
        if (done[number] > last) last = done[number];
    }
    qsort(done, (size_t)client_count, sizeof *done, by_size);
    qsort(first_bytes, (size_t)first_byte_count, sizeof *first_bytes, by_size);
    printf("{\"answers\": %ld, \"bytes\": %lld, \"seconds\": %.6f, \"median\": %.6f, \"begun\": %ld, "
           "\"first_byte\": %.6f, \"slowest_first_byte\": %.6f}\n",
           answers, total, last, done[client_count / 2], first_byte_count,
           first_byte_count ? first_bytes[first_byte_count / 2] : -1.0,
           first_byte_count ? first_bytes[first_byte_count - 1] : -1.0);
}

int main(int count, char **words) {
    int at = 1;
    for (; at < count && !strncmp(words[at], "--", 2); at++) {
        if (!strcmp(words[at], "--tls")) is_tls = 1;
        else if (!strcmp(words[at], "--drop")) drops = 1;
        else if (at + 1 >= count) fail("%s: what?", words[at]);
        else if (!strcmp(words[at], "--clients")) client_count = atoi(words[++at]);
        else if (!strcmp(words[at], "--parallel")) parallel = atoi(words[++at]);
        else if (!strcmp(words[at], "--rate")) rate = atof(words[++at]);
        else if (!strcmp(words[at], "--seconds")) longest = atof(words[++at]);
        else if (!strcmp(words[at], "--header")) header = words[++at];
        else fail("%s: unknown", words[at]);
    }
    if (count - at != 3) fail("usage: pull [options] HOST PORT LIST");
    struct rlimit files = {65536, 65536};
    if (setrlimit(RLIMIT_NOFILE, &files)) { getrlimit(RLIMIT_NOFILE, &files); files.rlim_cur = files.rlim_max; setrlimit(RLIMIT_NOFILE, &files); }
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(words[at + 1]));
    if (inet_pton(AF_INET, words[at], &address.sin_addr) != 1) fail("%s: no address", words[at]);
    snprintf(host, sizeof host, "%s:%s", words[at], words[at + 1]);
    if (*header) { char *line; if (asprintf(&line, "%s\r\n", header) < 0) fail("memory"); header = line; }
    read_list(words[at + 2]);
    if (is_tls) { context = SSL_CTX_new(TLS_client_method()); SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL); }
    poller = epoll_create1(0);
    clients = calloc((size_t)client_count, sizeof *clients);
    most_first_bytes = (long)client_count * item_count;
    first_bytes = calloc((size_t)most_first_bytes, sizeof *first_bytes);
    started = now();
    for (int number = 0; number < client_count; number++) {
        clients[number].connections = calloc((size_t)parallel, sizeof(Connection));
        for (int each = 0; each < parallel; each++) {
            clients[number].connections[each].client = &clients[number];
            clients[number].connections[each].fd = -1;
        }
        hand_out(&clients[number]);
    }
    run();
    report();
    return 0;
}
