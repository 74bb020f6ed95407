/* A real mosquitto for tests; see broker.h. */
#include "tests/lib/broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mosquitto.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "mqtt/broker_config.h"
#include "mqtt/mapping.h"

enum { START_MS = 10000, CONFIG_BYTES = 16384 };

static int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int port = -1;
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        port = ntohs(address.sin_port);
    if (fd >= 0)
        close(fd);
    return port;
}

static bool write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    fputs(text, file);
    return fclose(file) == 0;
}

static pid_t spawn(const char *log, char *const argv[])
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
    }
    if (getppid() == parent)
        execvp(argv[0], argv);
    _exit(127);
}

static bool write_passwords(const char *path, const char *log, const char *const *users)
{
    char text[2048] = "";
    size_t used = 0;
    for (; *users != NULL && used < sizeof text - 200; users++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s:pw-%s\n", *users, *users);
    char program[] = "mosquitto_passwd", option[] = "-U";
    char file[128];
    snprintf(file, sizeof file, "%s", path);
    int status = -1;
    if (write_file(path, text))
        waitpid(spawn(log, (char *[]){program, option, file, NULL}), &status, 0);
    return status == 0;
}

bool broker_make(struct broker *broker, const char *const *users, const char *certificate)
{
    char acl[96], passwords[96], log[96];
    *broker = (struct broker){.dir = "/tmp/touyan-broker-XXXXXX", .port = free_port()};
    if (mkdtemp(broker->dir) == NULL || broker->port < 0)
        return false;
    snprintf(broker->socket_path, sizeof broker->socket_path, "%s/gw.sock", broker->dir);
    snprintf(broker->config_path, sizeof broker->config_path, "%s/mosquitto.conf", broker->dir);
    snprintf(acl, sizeof acl, "%s/acl", broker->dir);
    snprintf(passwords, sizeof passwords, "%s/passwd", broker->dir);
    snprintf(log, sizeof log, "%s/log", broker->dir);
    const struct mqtt_broker_options options = {.socket_path = broker->socket_path,
                                                .listen = "127.0.0.1",
                                                .listen_port = broker->port,
                                                .password_file = passwords,
                                                .acl_file = acl,
                                                .persistence_dir = broker->dir,
                                                .cert_file = certificate,
                                                .key_file = certificate};
    struct buf text;
    buf_init(&text, CONFIG_BYTES);
    struct mapping *rules = NULL;
    bool made = mapping_open(NULL, &rules, NULL) == ERR_OK && mqtt_broker_acl_write(rules, &text) &&
                write_file(acl, buf_text(&text)) && write_passwords(passwords, log, users);
    mapping_close(rules);
    buf_clear(&text);
    /* started as root it would become a user that may not write here */
    made = made && mqtt_broker_config_write(&text, &options) &&
           (geteuid() != 0 || buf_add_text(&text, "user root\n")) &&
           write_file(broker->config_path, buf_text(&text));
    buf_free(&text);
    if (!made)
        fprintf(stderr, "broker: cannot write its files in %s\n", broker->dir);
    return made;
}

static bool accepts(const struct broker *broker)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", broker->socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

bool broker_start(struct broker *broker)
{
    char program[] = "/usr/sbin/mosquitto", option[] = "-c", log[96];
    snprintf(log, sizeof log, "%s/log", broker->dir);
    broker->pid = spawn(log, (char *[]){program, option, broker->config_path, NULL});
    for (int waited = 0; waited < START_MS; waited += 20) {
        if (accepts(broker))
            return true;
        if (waitpid(broker->pid, NULL, WNOHANG) != 0)
            break;
        clock_sleep_ms(20);
    }
    fprintf(stderr, "broker: did not start, see %s\n", log);
    return false;
}

void broker_signal(struct broker *broker, int signal)
{
    if (broker->pid <= 0)
        return;
    kill(broker->pid, signal);
    waitpid(broker->pid, NULL, 0);
    broker->pid = 0;
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

void broker_remove(struct broker *broker)
{
    broker_signal(broker, SIGKILL);
    if (strncmp(broker->dir, "/tmp/touyan-broker-", 19) == 0)
        nftw(broker->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void on_published(struct mosquitto *mosq, void *ctx, int message_id)
{
    (void)mosq;
    (void)message_id;
    *(bool *)ctx = true;
}

bool broker_publish(const struct broker *broker, const char *user, const char *client_id,
                    const char *topic, const char *payload)
{
    bool published = false;
    char password[96];
    snprintf(password, sizeof password, "pw-%s", user);
    struct mosquitto *mosq = mosquitto_new(client_id != NULL ? client_id : user, true, &published);
    mosquitto_username_pw_set(mosq, user, password);
    mosquitto_publish_callback_set(mosq, on_published);
    int rc = mosquitto_connect(mosq, "127.0.0.1", broker->port, 10);
    if (rc == MOSQ_ERR_SUCCESS)
        rc = mosquitto_publish(mosq, NULL, topic, (int)strlen(payload), payload, 1, false);
    for (int i = 0; i < 500 && rc == MOSQ_ERR_SUCCESS && !published; i++)
        rc = mosquitto_loop(mosq, 10, 1);
    mosquitto_disconnect(mosq);
    mosquitto_destroy(mosq);
    return published;
}

void broker_begin(struct broker *broker, const char *const *users, char *ret_db, size_t size)
{
    if (!broker_make(broker, users, NULL) || !broker_start(broker))
        abort();
    snprintf(ret_db, size, "%s/replica.db", broker->dir);
}
