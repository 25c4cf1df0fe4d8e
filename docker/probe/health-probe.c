/*
 * Health probe of a container: exit 0 if it is healthy, 1 with the reason on standard error if not.
 *
 * Of a worker, which has no port (NEXUS_HEARTBEAT_SECONDS is set): whether /tmp/heartbeat was modified at most that
 * many seconds ago. The worker touches that file each time its work loop comes round, so a hung loop shows.
 *
 * Of a service: whether one HTTP GET is answered with a status of 2xx. It asks http://127.0.0.1:$THC_PORT$THC_PATH within $THC_REQ_TIMEOUT seconds. The names and defaults are those of the
 * tiny health checker that Paketo ships (THC_PORT 8080, THC_PATH /, timeouts 5 s), with two differences: PORT stands
 * in for an absent THC_PORT, and the default path is /health. A launch environment that only the service process sees
 * (Cloud Native Buildpacks, BPE_DEFAULT_PORT) is read from /proc, where the service runs under the probe's own user.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { ENVIRON_BYTES = 1 << 17, REPLY_BYTES = 4096, PATH_BYTES = 1024 };

/* The value of "PORT" in the environment of one process, or NULL. `buffer` keeps it alive. */
static const char *port_of_process(const char *pid, char *buffer) {
    char path[64];
    if (snprintf(path, sizeof path, "/proc/%.20s/environ", pid) >= (int)sizeof path) return NULL;
    FILE *file = fopen(path, "r");
    if (file == NULL) return NULL;
    size_t size = fread(buffer, 1, ENVIRON_BYTES - 1, file);
    fclose(file);
    buffer[size] = '\0';
    for (char *entry = buffer; entry < buffer + size; entry += strlen(entry) + 1)
        if (strncmp(entry, "PORT=", 5) == 0) return entry + 5;
    return NULL;
}

static const char *port_from_processes(void) {
    static char buffer[ENVIRON_BYTES];
    const char *found = NULL;
    DIR *proc = opendir("/proc");
    if (proc == NULL) return NULL;
    for (struct dirent *entry; found == NULL && (entry = readdir(proc)) != NULL;)
        if (isdigit((unsigned char)entry->d_name[0])) found = port_of_process(entry->d_name, buffer);
    closedir(proc);
    return found;
}

static long number(const char *name, const char *text, long low, long high) {
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < low || value > high) {
        fprintf(stderr, "health-probe: %s must be a number from %ld to %ld, found \"%s\"\n", name, low, high, text);
        exit(1);
    }
    return value;
}

static const char *setting(const char *name, const char *fallback) {
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : fallback;
}

static int check_heartbeat(const char *limit_text) {
    const char *path = "/tmp/heartbeat";
    long limit = number("NEXUS_HEARTBEAT_SECONDS", limit_text, 1, 86400);
    struct stat file;
    if (stat(path, &file) != 0) {
        fprintf(stderr, "health-probe: no heartbeat: %s: %s\n", path, strerror(errno));
        return 1;
    }
    /* A file of the future was written before the clock was set back: it says nothing of now. */
    long long age = (long long)time(NULL) - (long long)file.st_mtime;
    if (llabs(age) <= limit) return 0;
    fprintf(stderr, "health-probe: no heartbeat: %s is %lld s old, limit %ld s\n", path, age, limit);
    return 1;
}

static int fail(const char *what, long port) {
    fprintf(stderr, "health-probe: %s 127.0.0.1:%ld: %s\n", what, port, strerror(errno));
    return 1;
}

int main(void) {
    const char *heartbeat = setting("NEXUS_HEARTBEAT_SECONDS", NULL);
    if (heartbeat != NULL) return check_heartbeat(heartbeat);
    const char *port_text = setting("THC_PORT", setting("PORT", NULL));
    if (port_text == NULL) port_text = port_from_processes();
    long port = number("THC_PORT or PORT", port_text != NULL ? port_text : "8080", 1, 65535);
    const char *path = setting("THC_PATH", "/health");
    long seconds = number("THC_REQ_TIMEOUT", setting("THC_REQ_TIMEOUT", "5"), 1, 3600);

    char request[PATH_BYTES + 64];
    int length = snprintf(request, sizeof request, "GET %s%s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n",
                          *path == '/' ? "" : "/", path);
    if (length >= (int)sizeof request) {
        fprintf(stderr, "health-probe: THC_PATH is longer than %d bytes\n", PATH_BYTES);
        return 1;
    }
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval limit = {.tv_sec = seconds};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(connection, (struct sockaddr *)&address, sizeof address) != 0) return fail("cannot connect to", port);
    if (write(connection, request, (size_t)length) != length) return fail("cannot write to", port);

    char reply[REPLY_BYTES];
    size_t size = 0;
    for (ssize_t got; size < sizeof reply - 1 && (got = read(connection, reply + size, sizeof reply - 1 - size)) != 0;) {
        if (got < 0) return fail("no answer from", port);
        size += (size_t)got;
    }
    reply[size] = '\0';
    int status = 0;
    if (sscanf(reply, "HTTP/%*d.%*d %d", &status) == 1 && status >= 200 && status < 300) return 0;
    char *body = strstr(reply, "\r\n\r\n");
    fprintf(stderr, "health-probe: port %ld%s answered %d: %s\n", port, path, status, body != NULL ? body + 4 : reply);
    return 1;
}
