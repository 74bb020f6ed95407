/* The machine's marks of identity; see machine.h. Each is read from the kernel's files and hashed:
 * a serial number is nobody's business, and only equality counts. */
#include "sync/machine.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "sync/protocol.h"

enum { FILE_BYTES_MAX = 4096 };

/* The beginning of a file without the blanks around it; the length, 0 when there is nothing. */
static size_t read_small(const char *path, char ret[FILE_BYTES_MAX + 1])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, ret, FILE_BYTES_MAX) : -1;
    if (fd >= 0)
        close(fd);
    size_t size = got > 0 ? (size_t)got : 0;
    while (size > 0 && (unsigned char)ret[size - 1] <= ' ')
        size--;
    ret[size] = '\0';
    return size;
}

static bool hash_file(const char *path, char ret[MACHINE_PART_BYTES + 1])
{
    char text[FILE_BYTES_MAX + 1];
    size_t size = read_small(path, text);
    if (size == 0)
        return false;
    snprintf(ret, MACHINE_PART_BYTES + 1, "%016" PRIx64,
             protocol_fp_add(PROTOCOL_FP_START, text, size));
    return true;
}

/* A partition's own folder has no serial number, its parent's has. */
static void hash_disk(const char *db_path, char ret[MACHINE_PART_BYTES + 1])
{
    static const char *const names[] = {"device/serial",  "device/cid",       "device/wwid",
                                        "wwid",           "../device/serial", "../device/cid",
                                        "../device/wwid", "../wwid"};
    struct stat st;
    if (db_path == NULL || stat(db_path, &st) != 0)
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s", major(st.st_dev), minor(st.st_dev),
                 names[i]);
        if (hash_file(path, ret))
            return;
    }
}

void machine_read(struct machine *ret, const char *file, const char *db_path)
{
    char boot_id[FILE_BYTES_MAX + 1];
    *ret = (struct machine){0};
    if (read_small("/proc/sys/kernel/random/boot_id", boot_id) > 0)
        text_copy(ret->boot_id, sizeof ret->boot_id, boot_id);
    if (file != NULL && file[0] != '\0') {
        hash_file(file, ret->parts[0]);
        return;
    }
    hash_file("/etc/machine-id", ret->parts[0]);
    if (!hash_file("/sys/class/dmi/id/product_serial", ret->parts[1]))
        hash_file("/sys/firmware/devicetree/base/serial-number", ret->parts[1]);
    hash_disk(db_path, ret->parts[2]);
}

void machine_serial(const char *file, char ret[MACHINE_SERIAL_BYTES + 1])
{
    static const char *const files[] = {"/sys/class/dmi/id/product_serial",
                                        "/sys/firmware/devicetree/base/serial-number"};
    char text[FILE_BYTES_MAX + 1];
    size_t size = 0;
    if (file != NULL && file[0] != '\0')
        size = read_small(file, text);
    else
        for (size_t i = 0; size == 0 && i < sizeof files / sizeof files[0]; i++)
            size = read_small(files[i], text);
    size = size > 0 ? strcspn(text, "\r\n") : 0;
    ret[0] = '\0';
    if (size <= MACHINE_SERIAL_BYTES && text_utf8_valid(text, size))
        text_copy_utf8(ret, MACHINE_SERIAL_BYTES + 1, text, size);
}

static const char *or_dash(const char *part)
{
    return part[0] != '\0' ? part : "-";
}

void machine_print(const struct machine *machine, char ret[MACHINE_TEXT_BYTES + 1])
{
    snprintf(ret, MACHINE_TEXT_BYTES + 1, "%s %s %s", or_dash(machine->parts[0]),
             or_dash(machine->parts[1]), or_dash(machine->parts[2]));
}

static void parse(const char *text, struct machine *ret)
{
    *ret = (struct machine){0};
    for (size_t i = 0; i < MACHINE_PARTS && *text != '\0'; i++) {
        size_t size = strcspn(text, " ");
        if (size <= MACHINE_PART_BYTES && text[0] != '-')
            memcpy(ret->parts[i], text, size);
        text += size;
        text += *text == ' ' ? 1 : 0;
    }
}

bool machine_is(const struct machine *machine, const char *text)
{
    struct machine known;
    parse(text, &known);
    for (size_t i = 0; i < MACHINE_PARTS; i++)
        if (machine->parts[i][0] != '\0' && known.parts[i][0] != '\0' &&
            strcmp(machine->parts[i], known.parts[i]) != 0)
            return false;
    return true;
}

void machine_merge(const struct machine *machine, const char *text,
                   char ret[MACHINE_TEXT_BYTES + 1])
{
    struct machine merged;
    parse(text, &merged);
    for (size_t i = 0; i < MACHINE_PARTS; i++)
        if (machine->parts[i][0] != '\0')
            memcpy(merged.parts[i], machine->parts[i], sizeof merged.parts[i]);
    machine_print(&merged, ret);
}
