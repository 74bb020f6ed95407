/* The choice of a modem; see route.h. */
#include "sms/route.h"

#include <string.h>

enum {
    POINTS_REGISTERED = 1000,
    POINTS_NOT_KNOWN = 500,
    POINTS_FAILURE = 100,
    FAILURES_COUNTED = 4,
    POINTS_PREFIX = 200,
    POINTS_CARRIER = 80,
    CSQ_WEAK = 8,
    POINTS_STRONG = 40,
    CSQ_NOT_KNOWN = 99,
    HOME = 1,
    ROAMING = 5,
};

static bool begins_with_one_of(const char *text, const char *const *heads)
{
    for (; *heads != NULL; heads++)
        if (strncmp(text, *heads, strlen(*heads)) == 0)
            return true;
    return false;
}

/* Ministry of Industry and Information Technology: mobile network codes of 460. */
enum carrier route_carrier_of_sim(const char *network)
{
    static const char *const mobile[] = {"46000", "46002", "46004", "46007",
                                         "46008", "46013", "46020", NULL};
    static const char *const unicom[] = {"46001", "46006", "46009", "46010", NULL};
    static const char *const telecom[] = {"46003", "46005", "46011", "46012", NULL};
    static const char *const broadnet[] = {"46015", NULL};
    if (begins_with_one_of(network, mobile))
        return CARRIER_MOBILE;
    if (begins_with_one_of(network, unicom))
        return CARRIER_UNICOM;
    if (begins_with_one_of(network, telecom))
        return CARRIER_TELECOM;
    return begins_with_one_of(network, broadnet) ? CARRIER_BROADNET : CARRIER_UNKNOWN;
}

/* The same ministry's numbering plan; longer heads before the shorter ones that contain them. */
enum carrier route_carrier_of_number(const char *number)
{
    static const char *const telecom[] = {"133", "1349", "149",  "153",  "173", "1740", "177",
                                          "180", "181",  "189",  "190",  "191", "193",  "199",
                                          "162", "1700", "1701", "1702", NULL};
    static const char *const unicom[] = {"130", "131", "132",  "145",  "155",  "156",  "166",
                                         "167", "171", "175",  "176",  "185",  "186",  "196",
                                         "140", "146", "1704", "1707", "1708", "1709", NULL};
    static const char *const mobile[] = {"134", "135",  "136",  "137",  "138", "139", "147", "148",
                                         "150", "151",  "152",  "157",  "158", "159", "165", "172",
                                         "178", "182",  "183",  "184",  "187", "188", "195", "197",
                                         "198", "1703", "1705", "1706", NULL};
    static const char *const broadnet[] = {"192", NULL};
    if (strncmp(number, "+86", 3) != 0)
        return CARRIER_UNKNOWN;
    number += 3;
    if (begins_with_one_of(number, telecom))
        return CARRIER_TELECOM;
    if (begins_with_one_of(number, unicom))
        return CARRIER_UNICOM;
    if (begins_with_one_of(number, mobile))
        return CARRIER_MOBILE;
    return begins_with_one_of(number, broadnet) ? CARRIER_BROADNET : CARRIER_UNKNOWN;
}

bool route_is_registered(int registration)
{
    return registration == HOME || registration == ROAMING;
}

static const char *without_country(const char *number)
{
    return strncmp(number, "+86", 3) == 0 ? number + 3 : number;
}

static bool is_listed(const struct route_modem *modem, const char *number)
{
    for (size_t i = 0; i < modem->prefix_count; i++) {
        const char *prefix = modem->prefixes[i];
        const char *from = prefix[0] == '+' ? number : without_country(number);
        if (strncmp(from, prefix, strlen(prefix)) == 0)
            return true;
    }
    return false;
}

int route_score(const struct route_modem *modem, const char *number)
{
    enum carrier own = route_carrier_of_sim(modem->network);
    int failures = modem->failures < FAILURES_COUNTED ? modem->failures : FAILURES_COUNTED;
    int score = -failures * POINTS_FAILURE;
    if (route_is_registered(modem->registration))
        score += POINTS_REGISTERED;
    else if (modem->registration < 0)
        score += POINTS_NOT_KNOWN;
    if (is_listed(modem, number))
        score += POINTS_PREFIX;
    else if (own != CARRIER_UNKNOWN && own == route_carrier_of_number(number))
        score += POINTS_CARRIER;
    if (modem->csq >= CSQ_WEAK && modem->csq != CSQ_NOT_KNOWN)
        score += POINTS_STRONG;
    return score;
}
