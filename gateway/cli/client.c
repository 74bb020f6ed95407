/* One HTTP request to the daemon over its Unix socket; the only file of the command that knows
 * libcurl. What can go wrong, and how it is said: no daemon (69), not allowed (77), not now (75),
 * refused as wrong (64) or not there (1). */
#include "gateway/cli/cli.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"

enum { TIMEOUT_MS = LIMIT_HTTP_DEADLINE_MS + 5000, URL_BYTES = 512, CONNECT_S = 5, RETRIES = 10 };

struct answer {
    CURLcode code;
    int os_errno; /* why there is no connection */
    long status;
    struct buf body;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct answer *answer = ctx;
    return buf_add(&answer->body, bytes, size * count) ? size * count : 0;
}

/* Why libcurl could not connect: 0 when now one can. Waits while the queue of the socket is full,
 * which libcurl does not. */
static int probe(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = CONNECT_S};
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool there = fd >= 0 &&
                 setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
                 connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    int why = there ? 0 : errno;
    if (fd >= 0)
        close(fd);
    return why;
}

static void perform(const struct cli *cli, const char *path, const char *body, struct answer *ret)
{
    char url[URL_BYTES];
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    snprintf(url, sizeof url, "http://touyan%s", path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, cli->socket);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    ret->code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret->status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
}

static int fail_denied(const struct cli *cli)
{
    return cli_fail(cli, EXIT_DENIED,
                    "不允许：请用 sudo，或请管理员把您加入配置 http.group 所指的用户组",
                    "not allowed: use sudo, or ask to be put into the group of http.group");
}

static int fail_transport(const struct cli *cli, const struct answer *answer)
{
    if (answer->os_errno == EACCES || answer->os_errno == EPERM)
        return fail_denied(cli);
    if (answer->os_errno == ENOENT || answer->os_errno == ECONNREFUSED) {
        fprintf(stderr, "touyan: %s: %s\n", cli->socket, strerror(answer->os_errno));
        return cli_fail(cli, EXIT_DOWN,
                        "护学主机程序没有运行。下一步：systemctl status touyan-gateway",
                        "the gateway is not running. Next: systemctl status touyan-gateway");
    }
    fprintf(stderr, "touyan: %s\n",
            answer->os_errno != 0 ? strerror(answer->os_errno) : curl_easy_strerror(answer->code));
    return cli_fail(cli, EXIT_LATER, "护学主机程序没有应答，请稍后再试",
                    "the gateway did not answer, try again later");
}

/* {"error": "text"}, or {"error": {"text": "..."}}. */
static const char *error_text(const struct json *json)
{
    const char *text = json_text(json, "error", NULL);
    return text != NULL ? text : json_text(json_get(json, "error"), "text", "");
}

/* What was refused in plain words; else what the status says. */
static int fail_status(const struct cli *cli, const struct answer *answer, const struct json *json)
{
    static const struct {
        long status;
        int code;
        const char *zh, *en;
    } kinds[] = {
        {400, EXIT_USAGE, "输入有误，什么也没有做", "wrong input, nothing was done"},
        {413, EXIT_USAGE, "输入有误，什么也没有做", "wrong input, nothing was done"},
        {404, EXIT_NOT_FOUND, "没有找到", "not found"},
        {409, EXIT_CONFIG, "现在不能这样做", "this cannot be done now"},
        {0, EXIT_LATER, "现在不行，请稍后再试", "not now, try again later"},
    };
    const char *text = error_text(json);
    if (answer->status == 403)
        return cli_told(cli, text) ? EXIT_DENIED : fail_denied(cli);
    size_t i = 0;
    while (kinds[i].status != 0 && kinds[i].status != answer->status)
        i++;
    if (cli_told(cli, text))
        return kinds[i].code;
    fprintf(stderr, "touyan: %ld %s\n", answer->status, text);
    return cli_fail(cli, kinds[i].code, kinds[i].zh, kinds[i].en);
}

static int take_answer(const struct cli *cli, const struct answer *answer, struct json **ret)
{
    struct json *json = NULL;
    struct err err = {0};
    if (answer->code != CURLE_OK)
        return fail_transport(cli, answer);
    int parsed = json_parse(buf_text(&answer->body), answer->body.size, &json, &err);
    if (answer->status >= 400) {
        int code = fail_status(cli, answer, json);
        json_free(json);
        return code;
    }
    if (parsed != ERR_OK) {
        fprintf(stderr, "touyan: %s\n", err.text);
        return cli_fail(cli, EXIT_LATER, "应答无法读懂：命令和主机程序的版本是否一致？",
                        "the answer is not understood: is the gateway of the same version?");
    }
    *ret = json;
    return EXIT_OK;
}

static int call(const struct cli *cli, const char *path, const char *body, bool print,
                struct json **ret)
{
    struct answer answer = {0};
    struct json *json = NULL;
    buf_init(&answer.body, LIMIT_JSON_BYTES);
    perform(cli, path, body, &answer);
    for (int i = 0; i < RETRIES && answer.code == CURLE_COULDNT_CONNECT; i++) {
        answer.os_errno = probe(cli->socket);
        if (answer.os_errno != 0)
            break;
        perform(cli, path, body, &answer);
    }
    int code = take_answer(cli, &answer, &json);
    if (code == EXIT_OK && print)
        printf("%s\n", buf_text(&answer.body));
    buf_free(&answer.body);
    *ret = json;
    return code;
}

int cli_get(const struct cli *cli, const char *path, struct json **ret_json)
{
    return call(cli, path, NULL, cli->json, ret_json);
}

int cli_peek(const struct cli *cli, const char *path, struct json **ret_json)
{
    return call(cli, path, NULL, false, ret_json);
}

int cli_post(const struct cli *cli, const char *path, struct json *body, struct json **ret_json)
{
    struct buf text;
    buf_init(&text, LIMIT_HTTP_BODY_BYTES);
    bool fits = json_write(body, &text);
    json_free(body);
    int code = fits ? call(cli, path, buf_text(&text), cli->json, ret_json)
                    : cli_fail(cli, EXIT_USAGE, "内容太长", "the text is too long");
    buf_free(&text);
    return code;
}
