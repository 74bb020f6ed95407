/* fuzz_replay CORPUS_DIR MUTATIONS SEED: runs a fuzz target without libFuzzer, over each file of
 * the corpus and over so many mutations of them. Fails when the corpus is empty. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/rnd.h"
#include "gateway/base/text.h"
#include "tests/lib/fuzz.h"

enum { MAX_SEEDS = 1024, MAX_BYTES = 8192, MAX_EDITS = 8 };

struct seed {
    uint8_t *bytes;
    size_t size;
};

static struct seed seeds[MAX_SEEDS];
static size_t seed_count;

static void read_seed(const char *folder, const char *name)
{
    static uint8_t bytes[MAX_BYTES];
    char path[1024];
    struct seed *seed = &seeds[seed_count];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rbe");
    if (!file || seed_count == MAX_SEEDS) {
        fprintf(stderr, "fuzz_replay: %s cannot be taken\n", path);
        exit(1);
    }
    seed->size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    /* exactly as large as the input, so that AddressSanitizer sees one byte too many */
    seed->bytes = malloc(seed->size + (seed->size == 0));
    if (!seed->bytes)
        abort();
    memcpy(seed->bytes, bytes, seed->size);
    seed_count++;
}

static void read_corpus(const char *folder)
{
    DIR *dir = opendir(folder);

    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir))
        if (entry->d_name[0] != '.')
            read_seed(folder, entry->d_name);
    if (dir)
        closedir(dir);
}

static void edit(struct rnd *rnd, uint8_t *bytes, size_t *size)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x08, 0x44, 0xf5};
    size_t at = (size_t)rnd_below(rnd, *size + 1);

    switch (rnd_below(rnd, 5)) {
    case 0: /* one bit */
        if (at < *size)
            bytes[at] = (uint8_t)(bytes[at] ^ (1U << rnd_below(rnd, 8)));
        break;
    case 1: /* any byte */
        if (at < *size)
            bytes[at] = (uint8_t)rnd_u64(rnd);
        break;
    case 2: /* a byte at an edge */
        if (at < *size)
            bytes[at] = edges[rnd_below(rnd, sizeof edges)];
        break;
    case 3: /* cut */
        *size = at;
        break;
    default: /* one byte more */
        if (*size < MAX_BYTES) {
            memmove(bytes + at + 1, bytes + at, *size - at);
            bytes[at] = (uint8_t)rnd_u64(rnd);
            ++*size;
        }
    }
}

static void run_mutation(struct rnd *rnd)
{
    static uint8_t bytes[MAX_BYTES];
    const struct seed *seed = &seeds[rnd_below(rnd, seed_count)];
    size_t size = seed->size;

    memcpy(bytes, seed->bytes, size);
    for (uint64_t edits = rnd_below(rnd, MAX_EDITS) + 1; edits > 0; edits--)
        edit(rnd, bytes, &size);
    uint8_t *exact = malloc(size + (size == 0));
    if (!exact)
        abort();
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int main(int argc, char **argv)
{
    int64_t mutations = 0;
    int64_t seed = 0;

    if (argc != 4 || !text_to_int64(argv[2], 0, INT64_MAX, &mutations) ||
        !text_to_int64(argv[3], 0, INT64_MAX, &seed)) {
        fputs("fuzz_replay CORPUS_DIR MUTATIONS SEED\n", stderr);
        return 2;
    }
    read_corpus(argv[1]);
    if (seed_count == 0) {
        fprintf(stderr, "fuzz_replay: no files in %s\n", argv[1]);
        return 1;
    }
    struct rnd rnd = rnd_seeded((uint64_t)seed);
    for (size_t i = 0; i < seed_count; i++)
        LLVMFuzzerTestOneInput(seeds[i].bytes, seeds[i].size);
    for (int64_t i = 0; i < mutations; i++)
        run_mutation(&rnd);
    printf("%zu files, %lld mutations\n", seed_count, (long long)mutations);
    for (size_t i = 0; i < seed_count; i++)
        free(seeds[i].bytes);
    return 0;
}
