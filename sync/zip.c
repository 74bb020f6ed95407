/* zstd with bounds; see zip.h. */
#include "sync/zip.h"

#include <stdlib.h>
#include <zstd.h>

enum { ZIP_STEP_BYTES = 65536 };

int zip_pack(const void *bytes, size_t size, int level, struct buf *out, struct err *err)
{
    size_t bound = ZSTD_compressBound(size);
    char *at = malloc(bound);
    if (at == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    size_t packed = ZSTD_compress(at, bound, bytes, size, level);
    int code = ERR_OK;
    if (ZSTD_isError(packed))
        code = err_set(err, ERR_IO, "zstd: %s", ZSTD_getErrorName(packed));
    else if (!buf_add(out, at, packed))
        code = err_set(err, ERR_LIMIT, "the compressed body is over the limit");
    free(at);
    return code;
}

static int open_stream(ZSTD_DCtx *context, ZSTD_inBuffer *in, struct buf *out, struct err *err)
{
    char step[ZIP_STEP_BYTES];
    size_t left = 1;
    bool more = true;
    while (more) {
        ZSTD_outBuffer chunk = {step, sizeof step, 0};
        size_t before = in->pos;
        left = ZSTD_decompressStream(context, &chunk, in);
        if (ZSTD_isError(left))
            return err_set(err, ERR_INVALID, "zstd: %s", ZSTD_getErrorName(left));
        if (!buf_add(out, step, chunk.pos))
            return err_set(err, ERR_LIMIT, "the body unpacks to more than the limit");
        more = left != 0 && (in->pos > before || chunk.pos > 0);
    }
    if (left != 0 || in->pos != in->size)
        return err_set(err, ERR_INVALID, "zstd: the body is not one whole frame");
    return ERR_OK;
}

int zip_open(const void *bytes, size_t size, struct buf *out, struct err *err)
{
    unsigned long long stated = ZSTD_getFrameContentSize(bytes, size);
    if (stated == ZSTD_CONTENTSIZE_ERROR)
        return err_set(err, ERR_INVALID, "the body is no zstd frame");
    if (stated != ZSTD_CONTENTSIZE_UNKNOWN && stated > out->max - out->size)
        return err_set(err, ERR_LIMIT, "the body says it unpacks to %llu bytes: over the limit",
                       stated);
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL)
        return err_set(err, ERR_NOMEM, "out of memory");
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZIP_WINDOW_LOG_MAX);
    ZSTD_inBuffer in = {bytes, size, 0};
    int code = open_stream(context, &in, out, err);
    ZSTD_freeDCtx(context);
    return code;
}
