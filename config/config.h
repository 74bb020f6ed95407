/* The configuration of touyan-gateway: /etc/touyan/touyan.conf and the *.conf of conf.d beside it,
 * in name order, later ones win. One table (options.c) knows every option; the sample file, the
 * manual page, --check-config, --print-config and what SIGHUP may change all come from it.
 *
 * An unknown key, a wrong type or a value out of range is refused with file:line and what would be
 * right. Secrets are never in the configuration: it names files that only their owner can read. */
#ifndef TOUYAN_CONFIG_CONFIG_H
#define TOUYAN_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/limits.h"

#define CONFIG_PATH_DEFAULT "/etc/touyan/touyan.conf"

enum {
    CONFIG_LIST_MAX = 8,        /* values of a list option */
    CONFIG_NO_SHOW_STEPS = 4,   /* values that duty.no_show_min has */
    CONFIG_FILE_MAX = 262144,   /* bytes of one file */
    CONFIG_FILES_MAX = 64,      /* files of conf.d */
    CONFIG_SECRET_BYTES = 256,  /* of a secret, without the newline that ends it */
    CONFIG_TEXT_MAX = 512,      /* bytes of one value */
    CONFIG_PRINT_MAX = 1048576, /* bytes of what the print functions write */
};

enum config_lang { CONFIG_LANG_ZH, CONFIG_LANG_EN };
enum config_driver { CONFIG_DRIVER_GAMMU, CONFIG_DRIVER_AT };

/* All texts are owned by struct config, are never NULL ("" when not set) and stay where they are
 * until config_free: what a reload may change are numbers only. Clock times are minutes after local
 * midnight, written "18:00". */
struct config_minutes {
    int at[CONFIG_LIST_MAX];
    int count;
};

struct config_texts {
    char *at[CONFIG_LIST_MAX];
    int count;
};

struct config_station {
    char *id;        /* "S0117", as the county calls it */
    char *name;      /* for people: "突泉护学站" */
    char *signature; /* in front of every message, without the brackets */
    int lang;        /* enum config_lang */
    char *country;   /* "86", without + */
    char *area_code; /* "0482"; put in front of local landline numbers */
};

struct config_replica {
    char *path;
    char *backup_dir;
    int backup_at;  /* clock time */
    char *key_file; /* seals phone numbers and messages; made at the first start */
};

struct config_modem {
    char *name; /* the title of the section */
    char *device;
    int driver;                   /* enum config_driver */
    char *imei;                   /* the only modem that will do; "": any */
    char *smsc;                   /* service centre for a SIM that has none; "": the SIM's */
    char *pin_file;               /* the SIM's PIN; "": it has none */
    char *balance_code;           /* USSD; "": the balance is not asked for */
    int balance_low;              /* yuan */
    char *power_command;          /* executable: the modem's power off and on; "": none */
    struct config_texts prefixes; /* of numbers that prefer this modem */
    int per_hour;                 /* parts that this SIM may send; 0: no limit */
    int per_day;
    bool fast_sleeps; /* shortens libgammu's waits; for the modem simulator only */
};

struct config_mqtt {
    char *host; /* numeric or a name; not used when socket is set */
    int port;
    char *socket;    /* path of the broker's Unix socket, "" for TCP */
    char *ca_file;   /* "": no TLS */
    char *cert_file; /* our own certificate, with key_file; "": none */
    char *key_file;
    char *username;
    char *password_file;
    char *client_id; /* "": "touyan-<station>" */
    int keepalive_s;
    char *listen; /* for --print-broker-config: where devices connect */
    int listen_port;
    char *rules_dir; /* rule files over those that come with the program */
};

struct config_sync {
    char *url; /* "": no county */
    char *ca_file;
    char *public_key; /* "sha256//<base64>", the only one to accept; "": any */
    char *token_file;
    char *ca_pin;   /* of the county's own authority: the station enrols; "": not */
    char *identity; /* with it: the file of the station's key and certificate */
    int poll_s;
    struct config_texts scopes; /* "*" and station ids */
    char *machine_file;         /* tells machines apart instead of serial numbers; "": those */
};

struct config_http {
    char *socket;
    char *group;   /* may use the socket beside root and the daemon's own user; "": nobody */
    char *readers; /* may look only; "": nobody */
};

struct config_duty {
    int reminder_evening;     /* clock time, the day before */
    int reminder_morning_min; /* minutes before the start of a duty */
    int reminder_earliest;    /* clock time, no morning reminder before it */
    int standin_until;        /* clock time, nobody is asked to stand in after it */
    int quiet_from;           /* clock time */
    int quiet_to;             /* clock time */
    int recipient_day;        /* texts to one number; 0: no caps */
    int same_text_min;        /* 0: may be repeated at once */
    /* CONFIG_NO_SHOW_STEPS: the person, the leader, the senior officer, a gap is recorded */
    struct config_minutes no_show_min;
    struct config_minutes panic_min; /* after the alarm: it goes out again */
    int panic_ring_s;                /* those told are rung for so long; 0: not */
    int panic_room_min;              /* after the alarm: the duty room */
    int flow_peak, flow_heavy;       /* people at a school's gates */
    int drill_weekday;               /* 1 Monday to 7 Sunday */
    int drill_at, watch_morning, watch_afternoon, digest_at; /* clock times */
    int keep_strangers_days, keep_texts_days, keep_alarms_days;
};

enum config_preset { /* as enum lora_preset_id of mqtt/radio/lora.h */
                     CONFIG_SHORT_TURBO,
                     CONFIG_SHORT_FAST,
                     CONFIG_SHORT_SLOW,
                     CONFIG_MEDIUM_FAST,
                     CONFIG_MEDIUM_SLOW,
                     CONFIG_LONG_FAST,
                     CONFIG_LONG_MODERATE,
                     CONFIG_LONG_SLOW
};

enum config_downlink { CONFIG_PROTOBUF, CONFIG_JSON };

struct config_radio {
    char *root;        /* of the mesh's topics: "msh/CN" */
    char *channel;     /* "": no mesh */
    char *key_file;    /* of the channel; "": packets are in clear at the broker */
    char *node;        /* our own number in the mesh, "!7d0a0001"; "": made of the station's id */
    int downlink;      /* enum config_downlink */
    int channel_index; /* of the channel on the gateway's node; downlink json only */
    int preset;        /* enum config_preset */
    int emission_ms;
    int air_percent;
    int hops;
    int text_bytes; /* of other radios */
    int text_gap_s;
};

struct config_log {
    int level; /* enum log_level of base/log.h */
};

struct config {
    char *path; /* of the main file */
    struct config_station station;
    struct config_replica replica;
    struct config_modem modems[LIMIT_MODEMS];
    int modem_count;
    struct config_mqtt mqtt;
    struct config_sync sync;
    struct config_http http;
    struct config_duty duty;
    struct config_radio radio;
    struct config_log log;
};

/* Reads `path` and the files of "conf.d" in its folder. ERR_INVALID with "file:line: ..." for what
 * a person must correct (exit status 78), ERR_IO when a file cannot be read. */
int config_load(const char *path, struct config **ret, struct err *err);
void config_free(struct config *config); /* accepts NULL */

/* What config_load checks, and besides: the secret files and certificates that are named exist and
 * only their owner and group can read the secret ones. config_load leaves that to this function, so
 * that a configuration can be printed by everybody. The gateway calls both. */
int config_check(const struct config *config, struct err *err);

/* Names such as "duty.quiet_from", separated by spaces; "" for none. */
struct config_changes {
    char adopted[1024];
    char refused[1024]; /* take effect at the next start */
};

/* For SIGHUP: reads config->path again, takes over what may change while running and tells the rest
 * by name. On an error nothing has changed. */
int config_reload(struct config *config, struct config_changes *ret, struct err *err);

/* All values in force, in the file's own syntax. No secret is in it: the configuration holds none.
 */
bool config_print(const struct config *config, struct buf *out);
/* A commented file with all options and their defaults. */
bool config_print_sample(struct buf *out);
/* touyan.conf(5) in man(7) macros. */
bool config_print_man(struct buf *out);

/* The first line of a secret file. Refuses what others can read, what is empty and what is longer
 * than CONFIG_SECRET_BYTES. The caller wipes it. */
int config_read_secret(const char *path, char ret[CONFIG_SECRET_BYTES + 1], struct err *err);

#endif
