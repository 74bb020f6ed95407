/* The entry that libFuzzer calls, and that fuzz_replay.c calls where there is no libFuzzer. */
#ifndef TOUYAN_TESTS_FUZZ_H
#define TOUYAN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

__attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t *bytes,
                                                                  size_t size);

#endif
