/* The one option table: what can be configured, its type, default and range, whether SIGHUP may
 * change it, and what the sample file and the manual say about it. A new option is one row here and
 * one field in config.h; parsing, checking, printing, reloading and the documentation follow. */
#include "config/options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"

#define IN_CONFIG(field) offsetof(struct config, field)
#define IN_MODEM(field) offsetof(struct config_modem, field)

static const struct option_choice langs[] = {
    {"zh-CN", CONFIG_LANG_ZH}, {"en", CONFIG_LANG_EN}, {NULL, 0}};
static const struct option_choice levels[] = {{"error", LOG_LEVEL_ERROR},
                                              {"warn", LOG_LEVEL_WARN},
                                              {"info", LOG_LEVEL_INFO},
                                              {"debug", LOG_LEVEL_DEBUG},
                                              {NULL, 0}};

static const struct option_choice drivers[] = {
    {"gammu", CONFIG_DRIVER_GAMMU}, {"at", CONFIG_DRIVER_AT}, {NULL, 0}};

static const struct option_choice downlinks[] = {
    {"protobuf", CONFIG_PROTOBUF}, {"json", CONFIG_JSON}, {NULL, 0}};

static const struct option_choice presets[] = {{"short_turbo", CONFIG_SHORT_TURBO},
                                               {"short_fast", CONFIG_SHORT_FAST},
                                               {"short_slow", CONFIG_SHORT_SLOW},
                                               {"medium_fast", CONFIG_MEDIUM_FAST},
                                               {"medium_slow", CONFIG_MEDIUM_SLOW},
                                               {"long_fast", CONFIG_LONG_FAST},
                                               {"long_moderate", CONFIG_LONG_MODERATE},
                                               {"long_slow", CONFIG_LONG_SLOW},
                                               {NULL, 0}};

const struct option_section option_sections[] = {
    {"station", false, "本站", "this station"},
    {"replica", false, "本站数据库", "the station's database"},
    {"modem", true, "短信猫，每台一节，节名自定（例如 gsm0）",
     "a GSM modem; one section each, with a title of your choice such as \"gsm0\""},
    {"mqtt", false, "校门设备所连的 MQTT 服务", "the MQTT broker that the gate devices talk to"},
    {"sync", false, "与县里服务器的同步", "sync with the county's server"},
    {"http", false, "touyan 命令的接口", "the socket of the touyan command"},
    {"duty", false, "执勤与告警的时间", "times of duty and alarm"},
    {"radio", false, "电台：Meshtastic 组网，其他电台的短文本",
     "radios: a Meshtastic mesh, and the short texts of others"},
    {"log", false, "日志", "the log"},
};
const size_t option_section_count = sizeof option_sections / sizeof option_sections[0];

/* clang-format off */
const struct option option_table[] = {
    {.section = "station", .name = "id", .type = OPTION_ID, .preset = "",
     .min = 1, .max = LIMIT_STATION_BYTES, .required = true, .offset = IN_CONFIG(station.id),
     .help_zh = "县里给本站的编号，例如 S0117",
     .help_en = "the county's number of this station, such as S0117"},
    {.section = "station", .name = "name", .type = OPTION_TEXT, .preset = "",
     .max = LIMIT_NAME_BYTES, .offset = IN_CONFIG(station.name),
     .help_zh = "本站名称",
     .help_en = "the station's name"},
    {.section = "station", .name = "signature", .type = OPTION_TEXT, .preset = "护学岗",
     .min = 1, .max = 30, .offset = IN_CONFIG(station.signature),
     .help_zh = "每条短信开头的签名，不带括号",
     .help_en = "the signature in front of every message, without the brackets"},
    {.section = "station", .name = "lang", .type = OPTION_CHOICE, .preset = "zh-CN",
     .choices = langs,
     .offset = IN_CONFIG(station.lang),
     .help_zh = "短信的语言",
     .help_en = "the language of messages"},
    {.section = "station", .name = "country", .type = OPTION_DIGITS, .preset = "86",
     .min = 1, .max = 3, .offset = IN_CONFIG(station.country),
     .help_zh = "国家代码，不带加号",
     .help_en = "the country code, without the plus"},
    {.section = "station", .name = "area_code", .type = OPTION_DIGITS, .preset = "",
     .max = 5, .offset = IN_CONFIG(station.area_code),
     .help_zh = "本地固定电话的区号，例如 0482",
     .help_en = "the area code of local landlines, such as 0482"},

    {.section = "replica", .name = "path", .type = OPTION_PATH,
     .preset = "/var/lib/touyan/touyan.db", .min = 1, .max = LIMIT_PATH_BYTES,
     .offset = IN_CONFIG(replica.path),
     .help_zh = "数据库文件",
     .help_en = "the database file"},
    {.section = "replica", .name = "backup_dir", .type = OPTION_PATH,
     .preset = "/var/lib/touyan/backup", .min = 1, .max = LIMIT_PATH_BYTES,
     .offset = IN_CONFIG(replica.backup_dir),
     .help_zh = "备份文件夹，最好在另一块盘上",
     .help_en = "the folder of the backups; best on another disk"},
    {.section = "replica", .name = "backup_at", .type = OPTION_CLOCK, .preset = "03:10",
     .reloadable = true, .offset = IN_CONFIG(replica.backup_at),
     .help_zh = "每天几点备份",
     .help_en = "when the daily backup is made"},
    {.section = "replica", .name = "key_file", .type = OPTION_PATH,
     .preset = "/var/lib/touyan/seal.key", .min = 1, .max = LIMIT_PATH_BYTES, .secret = true,
     .offset = IN_CONFIG(replica.key_file),
     .help_zh = "加密电话号码和短信内容的密钥文件；第一次启动时生成，请另存一份",
     .help_en = "the key that seals phone numbers and messages; made at the first start, keep a copy"},

    {.section = "modem", .name = "device", .type = OPTION_PATH, .preset = "",
     .max = LIMIT_PATH_BYTES, .offset = IN_MODEM(device),
     .help_zh = "设备，用 /dev/serial/by-id/ 下的名字，插拔后不变；写了 imei 可以留空",
     .help_en = "the device; a name below /dev/serial/by-id/ survives unplugging; may be empty when "
                "imei is not"},
    {.section = "modem", .name = "driver", .type = OPTION_CHOICE, .preset = "gammu",
     .choices = drivers, .offset = IN_MODEM(driver),
     .help_zh = "gammu 适用于各种短信猫；at 更快，用于移远、芯讯通、华为（认不出时仍用 gammu）",
     .help_en = "gammu drives any modem; at is faster, for Quectel, SIMCom and Huawei (what it does "
                "not know, gammu drives)"},
    {.section = "modem", .name = "imei", .type = OPTION_DIGITS, .preset = "",
     .max = 17, .offset = IN_MODEM(imei),
     .help_zh = "只认这个串号的短信猫，设备换了名字就到 /dev/serial/by-id/ 里找；留空则不限",
     .help_en = "the IMEI of the only modem that will do, which is looked for below "
                "/dev/serial/by-id/ when it is not at its device; empty: any"},
    {.section = "modem", .name = "smsc", .type = OPTION_DIGITS, .preset = "",
     .max = 20, .offset = IN_MODEM(smsc),
     .help_zh = "短信中心号码，用于SIM卡里没有的情况，例如 +8613800100500；留空则用SIM卡里的",
     .help_en = "the service centre, where the SIM has none, such as +8613800100500; empty: the SIM's"},
    {.section = "modem", .name = "pin_file", .type = OPTION_PATH, .preset = "",
     .max = LIMIT_PATH_BYTES, .secret = true, .offset = IN_MODEM(pin_file),
     .help_zh = "存放SIM卡PIN码的文件；错的PIN只试一次，改了文件才再试",
     .help_en = "the file with the SIM's PIN; a wrong one is tried once, and again only when the file "
                "has changed"},
    {.section = "modem", .name = "balance_code", .type = OPTION_TEXT, .preset = "",
     .max = 30, .offset = IN_MODEM(balance_code),
     .help_zh = "查余额的USSD代码，例如 *100#；每天查一次，留空则不查",
     .help_en = "the USSD code that asks for the balance, such as *100#, once a day; empty: not"},
    {.section = "modem", .name = "balance_low", .type = OPTION_INT, .preset = "10",
     .min = 0, .max = 10000, .unit = "yuan", .offset = IN_MODEM(balance_low),
     .help_zh = "余额低于多少元就提醒",
     .help_en = "below this balance touyan check warns"},
    {.section = "modem", .name = "power_command", .type = OPTION_PATH, .preset = "",
     .max = LIMIT_PATH_BYTES, .offset = IN_MODEM(power_command),
     .help_zh = "给短信猫断电再上电的程序，以节名和设备为参数；最后一招，留空则没有",
     .help_en = "a program that switches the modem's power off and on, called with title and device; "
                "the last resort, empty: there is none"},
    {.section = "modem", .name = "prefixes", .type = OPTION_IDS, .preset = "",
     .max = LIMIT_PHONE_DIGITS, .offset = IN_MODEM(prefixes),
     .help_zh = "这些号段优先走这张卡，例如 { \"134\", \"0482\" }；留空则按SIM卡和号码的运营商选",
     .help_en = "numbers beginning so prefer this modem, such as { \"134\", \"0482\" }; else the "
                "one whose SIM is of the number's network"},
    {.section = "modem", .name = "per_hour", .type = OPTION_INT, .preset = "150",
     .min = 0, .max = 100000, .offset = IN_MODEM(per_hour),
     .help_zh = "这张卡每小时最多发几条（长短信按段数）；告警不受限，0 为不限",
     .help_en = "what this SIM may send in an hour, in parts; alarms go all the same, 0: no limit"},
    {.section = "modem", .name = "per_day", .type = OPTION_INT, .preset = "800",
     .min = 0, .max = 1000000, .offset = IN_MODEM(per_day),
     .help_zh = "这张卡每天最多发几条；告警不受限，0 为不限",
     .help_en = "the same for a day"},
    {.section = "modem", .name = "fast_sleeps", .type = OPTION_BOOL, .preset = "false",
     .offset = IN_MODEM(fast_sleeps),
     .help_zh = "缩短 libgammu 的等待，只用于模拟器",
     .help_en = "shorten libgammu's waits; for the modem simulator only"},

    {.section = "mqtt", .name = "host", .type = OPTION_TEXT, .preset = "127.0.0.1",
     .max = 253, .offset = IN_CONFIG(mqtt.host),
     .help_zh = "MQTT 服务的地址；设了 socket 时不用",
     .help_en = "the broker's address; not used when socket is set"},
    {.section = "mqtt", .name = "port", .type = OPTION_INT, .preset = "1883",
     .min = 1, .max = 65535, .offset = IN_CONFIG(mqtt.port),
     .help_zh = "端口，TLS 一般为 8883",
     .help_en = "its port; usually 8883 with TLS"},
    {.section = "mqtt", .name = "socket", .type = OPTION_PATH, .preset = "",
     .max = 107, .offset = IN_CONFIG(mqtt.socket),
     .help_zh = "MQTT 服务的 Unix 套接字，例如 /run/touyan-broker/mqtt.sock；同机时最安全",
     .help_en = "the broker's Unix socket, such as /run/touyan-broker/mqtt.sock; the safest on one "
                "machine"},
    {.section = "mqtt", .name = "ca_file", .type = OPTION_PATH, .preset = "",
     .max = LIMIT_PATH_BYTES, .offset = IN_CONFIG(mqtt.ca_file),
     .help_zh = "证书颁发者（PEM）；设了就用 TLS",
     .help_en = "the issuer of the broker's certificate (PEM); when set, TLS is used"},
    {.section = "mqtt", .name = "cert_file", .type = OPTION_PATH, .preset = "",
     .max = LIMIT_PATH_BYTES, .offset = IN_CONFIG(mqtt.cert_file),
     .help_zh = "本站自己的证书（PEM），与 key_file 一起用",
     .help_en = "our own certificate (PEM); goes with key_file"},
    {.section = "mqtt", .name = "key_file", .type = OPTION_PATH, .preset = "",
     .max = LIMIT_PATH_BYTES, .secret = true, .offset = IN_CONFIG(mqtt.key_file),
     .help_zh = "其私钥（PEM）",
     .help_en = "its private key (PEM)"},
    {.section = "mqtt", .name = "username", .type = OPTION_TEXT, .preset = "",
     .max = 64, .offset = IN_CONFIG(mqtt.username),
     .help_zh = "用户名",
     .help_en = "user name"},
    {.section = "mqtt", .name = "password_file", .type = OPTION_PATH, .preset = "",
     .max = LIMIT_PATH_BYTES, .secret = true, .offset = IN_CONFIG(mqtt.password_file),
     .help_zh = "存放密码的文件",
     .help_en = "the file with the password"},
    {.section = "mqtt", .name = "client_id", .type = OPTION_ID, .preset = "",
     .max = 64, .offset = IN_CONFIG(mqtt.client_id),
     .help_zh = "客户端编号，留空即 touyan-站号；会话靠它保留，不要改",
     .help_en = "the client id, by which the broker keeps our session, so do not change it; empty: "
                "touyan- and the station's id"},
    {.section = "mqtt", .name = "keepalive_s", .type = OPTION_SECONDS, .preset = "15s",
     .min = 5, .max = 120, .offset = IN_CONFIG(mqtt.keepalive_s),
     .help_zh = "多久没有消息就探询一次",
     .help_en = "how long the line may be silent before we ask"},
    {.section = "mqtt", .name = "listen", .type = OPTION_TEXT, .preset = "127.0.0.1",
     .min = 1, .max = 253, .offset = IN_CONFIG(mqtt.listen),
     .help_zh = "供设备连接的地址，写进 --print-broker-config 的输出；应是设备专用网卡的地址",
     .help_en = "where the devices connect, for --print-broker-config; the address of the devices' "
                "own network"},
    {.section = "mqtt", .name = "listen_port", .type = OPTION_INT, .preset = "1883",
     .min = 1, .max = 65535, .offset = IN_CONFIG(mqtt.listen_port),
     .help_zh = "供设备连接的端口",
     .help_en = "its port"},
    {.section = "mqtt", .name = "rules_dir", .type = OPTION_PATH, .preset = "/etc/touyan/devices.d",
     .max = LIMIT_PATH_BYTES, .offset = IN_CONFIG(mqtt.rules_dir),
     .help_zh = "设备规则文件（*.rules）的文件夹；同名文件代替自带的，空文件停用该产品",
     .help_en = "the folder of rule files (*.rules) for devices; a file there replaces the one of its "
                "name that comes with the program, an empty one switches that product off"},

    {.section = "sync", .name = "url", .type = OPTION_URL, .preset = "",
     .max = LIMIT_PATH_BYTES, .offset = IN_CONFIG(sync.url),
     .help_zh = "县里服务器的地址，例如 https://county.example:8443；留空则不同步",
     .help_en = "the county's server, such as https://county.example:8443; empty: no sync"},
    {.section = "sync", .name = "ca_file", .type = OPTION_PATH, .preset = "",
     .max = LIMIT_PATH_BYTES, .offset = IN_CONFIG(sync.ca_file),
     .help_zh = "其证书的颁发者（PEM）；留空则用系统所信任的",
     .help_en = "the issuer of its certificate (PEM); empty: those that the system trusts"},
    {.section = "sync", .name = "public_key", .type = OPTION_TEXT, .preset = "",
     .max = 64, .offset = IN_CONFIG(sync.public_key),
     .help_zh = "只认这个公钥：sha256// 加 Base64；留空则不限",
     .help_en = "accept this public key only: sha256// and its hash in Base64; empty: any"},
    {.section = "sync", .name = "token_file", .type = OPTION_PATH, .preset = "",
     .max = LIMIT_PATH_BYTES, .secret = true, .offset = IN_CONFIG(sync.token_file),
     .help_zh = "存放本站令牌的文件（touyan-county 签发）；用证书时不需要",
     .help_en = "the file with this station's token, issued by touyan-county; not needed with ca_pin"},
    {.section = "sync", .name = "ca_pin", .type = OPTION_TEXT, .preset = "",
     .max = 64, .offset = IN_CONFIG(sync.ca_pin),
     .help_zh = "县里的证书指纹（touyan-county ca pin），共32位；设了就用证书登记：touyan enrol 一次性代码",
     .help_en = "the pin of the county's authority, 32 letters (touyan-county ca pin); when set, the "
                "station gets a certificate: touyan enrol CODE"},
    {.section = "sync", .name = "identity", .type = OPTION_PATH,
     .preset = "/var/lib/touyan/county.pem", .min = 1, .max = LIMIT_PATH_BYTES, .secret = true,
     .offset = IN_CONFIG(sync.identity),
     .help_zh = "本站的私钥和证书，由本站自己生成和更新",
     .help_en = "the station's own key and certificate; made and renewed by itself"},
    {.section = "sync", .name = "poll_s", .type = OPTION_SECONDS, .preset = "30s",
     .min = 1, .max = 86400, .reloadable = true, .offset = IN_CONFIG(sync.poll_s),
     .help_zh = "多久问一次县里有没有新内容；自己的改动马上送出",
     .help_en = "how often the county is asked for news; our own changes go out at once"},
    {.section = "sync", .name = "scopes", .type = OPTION_IDS, .preset = "", .min = 0,
     .max = LIMIT_STATION_BYTES, .offset = IN_CONFIG(sync.scopes),
     .help_zh = "要哪些范围的数据；留空即全县公用的和本站的",
     .help_en = "what to replicate; empty: what the whole county shares and this station's own"},
    {.section = "sync", .name = "machine_file", .type = OPTION_PATH, .preset = "",
     .max = LIMIT_PATH_BYTES, .offset = IN_CONFIG(sync.machine_file),
     .help_zh = "用这个文件的内容辨认本机（虚拟机等没有序列号的）；留空则用机器的序列号",
     .help_en = "a file that tells this machine apart, where there are no serial numbers; empty: those"},

    {.section = "http", .name = "socket", .type = OPTION_PATH, .preset = "/run/touyan/touyan.sock",
     .min = 1, .max = 107, .offset = IN_CONFIG(http.socket),
     .help_zh = "Unix 套接字",
     .help_en = "the Unix socket"},
    {.section = "http", .name = "group", .type = OPTION_TEXT, .preset = "touyan",
     .max = 32, .offset = IN_CONFIG(http.group),
     .help_zh = "除 root 外哪个用户组可以使用",
     .help_en = "the group that may use it, besides root"},
    {.section = "http", .name = "readers", .type = OPTION_TEXT, .preset = "",
     .max = 32, .offset = IN_CONFIG(http.readers),
     .help_zh = "只能看、不能操作的用户组：看得到排班、台账、数字，看不到短信和号码；留空则没有",
     .help_en = "a group that may look and not act: the roster, the ledger, the figures, no messages "
                "and no numbers; empty: none"},

    {.section = "duty", .name = "reminder_evening", .type = OPTION_CLOCK, .preset = "18:00",
     .reloadable = true, .offset = IN_CONFIG(duty.reminder_evening),
     .help_zh = "前一晚几点提醒",
     .help_en = "when people are reminded the evening before"},
    {.section = "duty", .name = "reminder_morning_min", .type = OPTION_INT, .preset = "120",
     .min = 15, .max = 720, .unit = "min", .reloadable = true,
     .offset = IN_CONFIG(duty.reminder_morning_min),
     .help_zh = "当天提前多少分钟提醒",
     .help_en = "how long before the start they are reminded on the day"},
    {.section = "duty", .name = "reminder_earliest", .type = OPTION_CLOCK, .preset = "06:30",
     .reloadable = true, .offset = IN_CONFIG(duty.reminder_earliest),
     .help_zh = "当天的提醒不早于几点",
     .help_en = "no reminder on the day before this time"},
    {.section = "duty", .name = "standin_until", .type = OPTION_CLOCK, .preset = "21:30",
     .reloadable = true, .offset = IN_CONFIG(duty.standin_until),
     .help_zh = "晚上几点以后不再找人顶班",
     .help_en = "nobody is asked to stand in after this time of the evening"},
    {.section = "duty", .name = "quiet_from", .type = OPTION_CLOCK, .preset = "21:00",
     .reloadable = true, .offset = IN_CONFIG(duty.quiet_from),
     .help_zh = "安静时段开始；告警和对来信的答复不受限",
     .help_en = "quiet hours begin; alarms and answers to who just wrote go out all the same"},
    {.section = "duty", .name = "quiet_to", .type = OPTION_CLOCK, .preset = "06:30",
     .reloadable = true, .offset = IN_CONFIG(duty.quiet_to),
     .help_zh = "安静时段结束",
     .help_en = "quiet hours end"},
    {.section = "duty", .name = "recipient_day", .type = OPTION_INT, .preset = "30",
     .min = 0, .max = 64, .reloadable = true, .offset = IN_CONFIG(duty.recipient_day),
     .help_zh = "同一个号码一天最多收几条提醒（急事加倍，告警不限），0 为不限；多出的往后推",
     .help_en = "reminders to one number in a day (twice as many urgent texts, alarms without a "
                "limit), 0: no limit; what is more goes later"},
    {.section = "duty", .name = "same_text_min", .type = OPTION_INT, .preset = "10",
     .min = 0, .max = 1440, .unit = "min", .reloadable = true,
     .offset = IN_CONFIG(duty.same_text_min),
     .help_zh = "多少分钟内不给同一个号码连发两条一样的内容；告警除外，0 为不限",
     .help_en = "the same text is not sent twice in a row to a number within this; alarms are, 0: all"},
    {.section = "duty", .name = "no_show_min", .type = OPTION_MINUTES, .preset = "3 8 13 23",
     .min = 1, .max = 120, .unit = "min", .reloadable = true,
     .offset = IN_CONFIG(duty.no_show_min),
     .help_zh = "开始后几分钟没到岗：催本人，报带岗负责人，报高级警长，记为缺岗；四个数",
     .help_en = "nobody checked in, so long after the start: the person is asked, the leader is "
                "told, the senior officer is told, a gap is recorded; four numbers"},
    {.section = "duty", .name = "panic_min", .type = OPTION_MINUTES, .preset = "2 4 7",
     .min = 1, .max = 60, .unit = "min", .reloadable = true, .offset = IN_CONFIG(duty.panic_min),
     .help_zh = "告警后几分钟无人出警就再发",
     .help_en = "an alarm that nobody took goes out again, so long after the first"},
    {.section = "duty", .name = "panic_ring_s", .type = OPTION_INT, .preset = "20",
     .min = 0, .max = 60, .unit = "s", .reloadable = true,
     .offset = IN_CONFIG(duty.panic_ring_s),
     .help_zh = "告警同时给每人的电话振铃多少秒（值班室加倍），0 为不振铃",
     .help_en = "an alarm also rings the telephones of those it is sent to, for so long (the duty "
                "room twice), 0: not"},
    {.section = "duty", .name = "panic_room_min", .type = OPTION_INT, .preset = "7",
     .min = 1, .max = 120, .unit = "min", .reloadable = true,
     .offset = IN_CONFIG(duty.panic_room_min),
     .help_zh = "再无人出警，几分钟后报值班室",
     .help_en = "and, when still nobody did, to the duty room"},
    {.section = "duty", .name = "flow_peak", .type = OPTION_INT, .preset = "60",
     .min = 2, .max = 10000, .reloadable = true, .offset = IN_CONFIG(duty.flow_peak),
     .help_zh = "一校门口有多少人算高峰（由摄像机数）；少于三分之二才算平峰",
     .help_en = "people at a school's gates, as its cameras count them, from which on it is peak; "
                "it ends below two thirds of that"},
    {.section = "duty", .name = "flow_heavy", .type = OPTION_INT, .preset = "150",
     .min = 3, .max = 20000, .reloadable = true, .offset = IN_CONFIG(duty.flow_heavy),
     .help_zh = "多少人算拥堵，报带岗负责人",
     .help_en = "and from which on it is heavy, and the leader is told"},
    {.section = "duty", .name = "drill_weekday", .type = OPTION_INT, .preset = "3",
     .min = 1, .max = 7, .reloadable = true, .offset = IN_CONFIG(duty.drill_weekday),
     .help_zh = "每周几【演练】，逐级核对联系得上：1 周一 … 7 周日",
     .help_en = "the day of the weekly drill of the chain: 1 Monday to 7 Sunday"},
    {.section = "duty", .name = "drill_at", .type = OPTION_CLOCK, .preset = "10:00",
     .reloadable = true, .offset = IN_CONFIG(duty.drill_at),
     .help_zh = "演练的时间",
     .help_en = "and its time"},
    {.section = "duty", .name = "watch_morning", .type = OPTION_CLOCK, .preset = "06:40",
     .reloadable = true, .offset = IN_CONFIG(duty.watch_morning),
     .help_zh = "早高峰前向邻所报平安的时间；各所要一致",
     .help_en = "when neighbour stations hear before the morning that this one is alive; the same at "
                "all stations"},
    {.section = "duty", .name = "watch_afternoon", .type = OPTION_CLOCK, .preset = "15:40",
     .reloadable = true, .offset = IN_CONFIG(duty.watch_afternoon),
     .help_zh = "晚高峰前的同一件事",
     .help_en = "the same before the afternoon"},
    {.section = "duty", .name = "digest_at", .type = OPTION_CLOCK, .preset = "09:00",
     .reloadable = true, .offset = IN_CONFIG(duty.digest_at),
     .help_zh = "周一给责任单位和所长的待办、每天的隐患超期提醒的时间",
     .help_en = "when partners and the leader hear on Mondays what is due, and daily of overdue issues"},
    {.section = "duty", .name = "keep_strangers_days", .type = OPTION_INT, .preset = "30",
     .min = 1, .max = 180, .reloadable = true, .offset = IN_CONFIG(duty.keep_strangers_days),
     .help_zh = "不在名册上的人（家长）的来信内容保存几天",
     .help_en = "days for which the texts of people on no list (parents) are kept"},
    {.section = "duty", .name = "keep_texts_days", .type = OPTION_INT, .preset = "180",
     .min = 7, .max = 1095, .reloadable = true, .offset = IN_CONFIG(duty.keep_texts_days),
     .help_zh = "其他来往短信保存几天",
     .help_en = "days for which other messages are kept, in and out"},
    {.section = "duty", .name = "keep_alarms_days", .type = OPTION_INT, .preset = "1095",
     .min = 180, .max = 3650, .reloadable = true, .offset = IN_CONFIG(duty.keep_alarms_days),
     .help_zh = "报警短信保存几天",
     .help_en = "days for which messages of alarms are kept"},

    {.section = "radio", .name = "channel", .type = OPTION_TEXT, .preset = "",
     .max = 11, .offset = IN_CONFIG(radio.channel),
     .help_zh = "Meshtastic 信道名，须打开 Uplink 和 Downlink；只听从这个信道上的命令，留空则不用",
     .help_en = "the channel of the Meshtastic mesh, with uplink and downlink on; only commands on it "
                "are obeyed, empty: no mesh"},
    {.section = "radio", .name = "key_file", .type = OPTION_PATH, .preset = "",
     .max = LIMIT_PATH_BYTES, .secret = true, .offset = IN_CONFIG(radio.key_file),
     .help_zh = "存放信道密钥（Base64）的文件；电台关了 MQTT 加密（encryption_enabled 为 false）则留空",
     .help_en = "the file with the channel's key (Base64); empty when the nodes' MQTT encryption is off"},
    {.section = "radio", .name = "root", .type = OPTION_TEXT, .preset = "msh/CN",
     .min = 3, .max = 32, .offset = IN_CONFIG(radio.root),
     .help_zh = "电台 MQTT 的根主题，与电台上设的一样：msh/ 加地区，老固件只有 msh",
     .help_en = "the root topic as the nodes have it: msh/ and the region, or msh alone of old firmware"},
    {.section = "radio", .name = "node", .type = OPTION_TEXT, .preset = "",
     .max = 9, .offset = IN_CONFIG(radio.node),
     .help_zh = "本站在组网里的编号，例如 !7d0a0001，不能与真的电台相同；留空则由站号生成",
     .help_en = "our own number in the mesh, such as !7d0a0001, which no real node may have; empty: "
                "made of the station's id"},
    {.section = "radio", .name = "downlink", .type = OPTION_CHOICE, .preset = "protobuf",
     .choices = downlinks, .offset = IN_CONFIG(radio.downlink),
     .help_zh = "往组网里发用什么格式：protobuf，或 2.7 及以前固件的 json（网关电台要有一个叫 mqtt 的"
                "信道，node 填它自己的编号；没有送达回执）",
     .help_en = "what is sent into the mesh: protobuf, or the json of firmware up to 2.7, for which the "
                "gateway's node needs a channel named mqtt and `node` is its own number; nothing is "
                "confirmed then"},
    {.section = "radio", .name = "channel_index", .type = OPTION_INT, .preset = "0",
     .min = 0, .max = 7, .offset = IN_CONFIG(radio.channel_index),
     .help_zh = "downlink 为 json 时：上面的信道是网关电台上的第几个（从 0 数）",
     .help_en = "with downlink json: which channel of the gateway's node the channel above is, from 0"},
    {.section = "radio", .name = "preset", .type = OPTION_CHOICE, .preset = "medium_fast",
     .choices = presets, .offset = IN_CONFIG(radio.preset),
     .help_zh = "电台的调制预设，决定一条能发多长；long_fast 一秒只够 24 个汉字",
     .help_en = "the modem preset of the nodes, which decides how long a text may be; a second of "
                "long_fast is 73 bytes"},
    {.section = "radio", .name = "emission_ms", .type = OPTION_INT, .preset = "1000",
     .min = 50, .max = 5000, .unit = "ms", .offset = IN_CONFIG(radio.emission_ms),
     .help_zh = "一次发射最长多少毫秒（470-510 MHz 规定不超过一秒）",
     .help_en = "the longest single emission (a second at 470-510 MHz in China)"},
    {.section = "radio", .name = "air_percent", .type = OPTION_INT, .preset = "5",
     .min = 1, .max = 100, .unit = "%", .offset = IN_CONFIG(radio.air_percent),
     .help_zh = "一小时里最多占用多少空中时间；其中一半留给报警",
     .help_en = "how much of an hour we may be on the air; half of it is kept for alarms"},
    {.section = "radio", .name = "hops", .type = OPTION_INT, .preset = "3",
     .min = 1, .max = 7, .offset = IN_CONFIG(radio.hops),
     .help_zh = "最多转发几跳",
     .help_en = "how many times a packet is passed on"},
    {.section = "radio", .name = "text_bytes", .type = OPTION_INT, .preset = "140",
     .min = 40, .max = 200, .unit = "bytes", .offset = IN_CONFIG(radio.text_bytes),
     .help_zh = "其他电台（DMR、公网对讲）一条文本最长多少字节，一个汉字三个字节",
     .help_en = "the longest text of other radios (DMR, push-to-talk)"},
    {.section = "radio", .name = "text_gap_s", .type = OPTION_SECONDS, .preset = "2s",
     .min = 1, .max = 60, .offset = IN_CONFIG(radio.text_gap_s),
     .help_zh = "其他电台发一条占用多少秒",
     .help_en = "how long other radios are busy with one text"},

    {.section = "log", .name = "level", .type = OPTION_CHOICE, .preset = "info", .choices = levels,
     .reloadable = true, .offset = IN_CONFIG(log.level),
     .help_zh = "记录多少",
     .help_en = "how much is logged"},
};
/* clang-format on */
const size_t option_count = sizeof option_table / sizeof option_table[0];

const struct option_section *option_find_section(const char *name)
{
    for (size_t i = 0; i < option_section_count; i++)
        if (strcmp(option_sections[i].name, name) == 0)
            return &option_sections[i];
    return NULL;
}

const struct option *option_find(const char *section, const char *name)
{
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(option_table[i].section, section) == 0 &&
            strcmp(option_table[i].name, name) == 0)
            return &option_table[i];
    return NULL;
}

bool option_is_text(const struct option *option)
{
    return option->type <= OPTION_URL;
}

bool option_is_list(const struct option *option)
{
    return option->type == OPTION_IDS || option->type == OPTION_MINUTES;
}

enum { NAME_MAX_BYTES = 32, FAR = 1000 };

static int min3(int a, int b, int c)
{
    int ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Edits between two names: insert, delete, replace, or swap of two neighbours. */
static int distance(const char *a, const char *b)
{
    int rows[3][NAME_MAX_BYTES + 1];
    int la = (int)strnlen(a, NAME_MAX_BYTES + 1);
    int lb = (int)strnlen(b, NAME_MAX_BYTES + 1);
    if (la > NAME_MAX_BYTES || lb > NAME_MAX_BYTES)
        return FAR;
    for (int j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (int i = 1; i <= la; i++) {
        int *row = rows[i % 3];
        const int *up = rows[(i + 2) % 3];
        const int *up2 = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= lb; j++) {
            row[j] = min3(up[j] + 1, row[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min3(row[j], up2[j - 2] + 1, FAR);
        }
    }
    return rows[la % 3][lb];
}

/* Takes over `name` when it is nearer to `wanted` than the best so far. */
static void consider(const char *wanted, const char *name, const char **best, int *best_distance)
{
    int d = distance(wanted, name);
    bool near = d <= 1 + (int)strlen(name) / 4;
    if (near && d < *best_distance) {
        *best = name;
        *best_distance = d;
    }
}

const char *option_suggest_section(const char *name)
{
    const char *best = NULL;
    int best_distance = FAR;
    for (size_t i = 0; i < option_section_count; i++)
        consider(name, option_sections[i].name, &best, &best_distance);
    return best;
}

const char *option_suggest(const char *section, const char *name)
{
    const char *best = NULL;
    int best_distance = FAR;
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(option_table[i].section, section) == 0)
            consider(name, option_table[i].name, &best, &best_distance);
    return best;
}

static void describe_choices(const struct option_choice *choice, char *ret, size_t size)
{
    size_t at = 0;
    for (; choice->name != NULL && at < size; choice++)
        at += (size_t)snprintf(ret + at, size - at, "%s%s", at > 0 ? ", " : "", choice->name);
}

void option_describe(const struct option *option, char *ret, size_t size)
{
    const char *unit = option->unit != NULL ? option->unit : "";
    switch (option->type) {
    case OPTION_TEXT:
        snprintf(ret, size, "a text of %d to %d bytes", option->min, option->max);
        break;
    case OPTION_ID:
        snprintf(ret, size, "1 to %d letters, digits, '-', '_' or '.'", option->max);
        break;
    case OPTION_DIGITS:
        snprintf(ret, size, "%d to %d digits", option->min, option->max);
        break;
    case OPTION_PATH:
        snprintf(ret, size, "an absolute path of at most %d bytes", option->max);
        break;
    case OPTION_URL:
        snprintf(ret, size, "https://host[:port][/path], or http:// to 127.0.0.1");
        break;
    case OPTION_INT:
        snprintf(ret, size, "%d to %d%s%s", option->min, option->max, *unit ? " " : "", unit);
        break;
    case OPTION_SECONDS:
        snprintf(ret, size, "%d to %d seconds, such as 30s, 15min or 2h", option->min, option->max);
        break;
    case OPTION_CLOCK:
        snprintf(ret, size, "a time of day such as 18:00");
        break;
    case OPTION_BOOL:
        snprintf(ret, size, "true or false");
        break;
    case OPTION_CHOICE:
        describe_choices(option->choices, ret, size);
        break;
    case OPTION_IDS:
        snprintf(ret, size, "a list of at most %d names such as { \"*\", \"S0117\" }",
                 CONFIG_LIST_MAX);
        break;
    case OPTION_MINUTES:
        snprintf(ret, size, "a rising list of 1 to %d numbers, each %d to %d %s", CONFIG_LIST_MAX,
                 option->min, option->max, unit);
        break;
    }
}

const char *option_next_preset(const char *at, char ret[OPTION_PRESET_VALUE_MAX])
{
    at += strspn(at, " ");
    size_t length = strcspn(at, " ");
    if (length == 0 || length >= OPTION_PRESET_VALUE_MAX)
        return NULL;
    memcpy(ret, at, length);
    ret[length] = '\0';
    return at + length;
}
