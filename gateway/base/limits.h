/* Every size that outside input can reach has its maximum here, by name. */
#ifndef TOUYAN_BASE_LIMITS_H
#define TOUYAN_BASE_LIMITS_H

enum {
    /* ids and short texts (bytes, without the terminating NUL) */
    LIMIT_ID_BYTES = 36,      /* a UUID in text */
    LIMIT_STATION_BYTES = 32, /* station id, e.g. "S0117" */
    LIMIT_PHONE_DIGITS = 20,  /* 3GPP TS 23.040 9.1.2.5: an address has at most 20 digits */
    LIMIT_SEALED_PHONE_BYTES = 160,
    LIMIT_NAME_BYTES = 96,
    LIMIT_PATH_BYTES = 1024,

    /* errors and logs */
    LIMIT_ERR_TEXT = 512,
    LIMIT_LOG_LINE = 1024,

    /* short messages */
    LIMIT_SMS_UNITS = 1600,      /* UTF-16 units of a whole message, about 24 parts */
    LIMIT_SMS_TEXT_BYTES = 4800, /* the same in UTF-8 */
    LIMIT_SMS_PARTS = 255,       /* 3GPP TS 23.040 9.2.3.24.1 */
    LIMIT_SMS_PARTS_OUT = 24,
    LIMIT_TPDU_BYTES = 176,      /* SMSC address and TPDU */
    LIMIT_SEGMENT_UNITS = 70,    /* UCS-2 in one segment */
    LIMIT_SEGMENT_SEPTETS = 160, /* GSM 7 bit in one segment */
    LIMIT_FRAME_BYTES = 8192,    /* one frame between gateway and touyan-modem */
    LIMIT_MODEMS = 8,

    /* MQTT */
    LIMIT_TOPIC_BYTES = 512,
    LIMIT_MQTT_PAYLOAD_BYTES = 1048576,
    LIMIT_MQTT_MAPPED_BYTES = 16384, /* after large strings were cut out */
    LIMIT_RAW_KEPT_BYTES = 4096,     /* of a message that no rule understands */
    LIMIT_RAW_ROWS = 5000,
    LIMIT_MQTT_CUT_BYTES = 2048, /* a longer string (a photo) is cut out before mapping */
    LIMIT_MQTT_TOKENS = 4096,    /* values and names in one JSON payload */
    LIMIT_MQTT_PRODUCTS = 64,    /* rule files */
    LIMIT_RULE_FILE_BYTES = 65536,
    LIMIT_MQTT_FILTERS = 200,
    LIMIT_COMMANDS_WAITING = 1000, /* for devices that are not there */
    LIMIT_MQTT_IN_FLIGHT = 20,     /* published and not yet acknowledged by the broker */
    LIMIT_MQTT_OUT_ROWS = 10000,
    LIMIT_MQTT_OUT_BYTES = 16384, /* of one message to a device */
    LIMIT_DEVICES = 16000,        /* known or discovered */
    LIMIT_DEVICE_EVENTS_PER_S = 20,
    LIMIT_DEVICE_BURST_EVENTS = 3000, /* a terminal keeps up to 2,000 records */
    LIMIT_DEVICE_BYTES_PER_MS = 256,
    LIMIT_DEVICE_BURST_BYTES = 536870912, /* 3,000 photos */
    LIMIT_DEVICE_ID_BYTES = 64,
    LIMIT_EVENT_TEXT_BYTES = 64, /* code and subject */
    LIMIT_DEDUPE_BYTES = 128,

    /* radio */
    LIMIT_RADIO_TEXT_BYTES = 240, /* one text heard; Meshtastic has room for 233 */
    LIMIT_RADIO_OUT_BYTES = 600,  /* one text to a radio, in all its parts */
    LIMIT_RADIO_PARTS = 9,
    LIMIT_RADIO_NODES = 1000, /* known: heard to write, or registered */
    LIMIT_RADIO_QUEUE = 500,

    /* one loop turn */
    LIMIT_TURN_ACKS = 8192,
    LIMIT_TURN_MQTT_MESSAGES = 1000,

    /* sync */
    LIMIT_SYNC_BODY_BYTES = 8388608, /* decoded; zstd frames that claim more are refused */
    LIMIT_SYNC_PAGE_MIN_BYTES = 4096,
    LIMIT_SYNC_PAGE_MAX_BYTES = 262144,
    LIMIT_SYNC_SLICE_ROWS = 500,
    LIMIT_SYNC_SLICE_MS = 10,
    LIMIT_SYNC_PUSH_ROWS = 1000,

    /* HTTP on the Unix socket */
    LIMIT_HTTP_BODY_BYTES = 2097152, /* a week of the roster as a sheet */
    LIMIT_HTTP_CONNECTIONS = 32,
    LIMIT_HTTP_DEADLINE_MS = 15000,

    /* JSON */
    LIMIT_JSON_BYTES = 8388608,
    LIMIT_JSON_DEPTH = 64,

    /* stopping */
    LIMIT_STOP_MS = 10000,
};

#endif
