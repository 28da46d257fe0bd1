/* identity_key.h - one private key: reading, checking, its name, its public half. */
#ifndef CVX_IDENTITY_KEY_H
#define CVX_IDENTITY_KEY_H

#include <sys/stat.h>

#include "convex/identity.h"
#include "text.h"

/* Reads a whole PEM file that is closed to others.
 *   ret       owned, release with cvx_free_secret()
 *   ret_stat  of the file that was read */
convex_status cvx_key_read_file(const char *path, const convex_mem *mem, char **ret,
                                struct stat *ret_stat, convex_error *reterr);
/* Whether another file is there now, or the same one was written to, or none is there. */
bool cvx_key_file_changed(const char *path, const struct stat *before);
/* Whether the PEM text is a private key one of the algorithms can sign with. */
convex_status cvx_key_check(const char *pem, convex_key_algorithm *ret, convex_error *reterr);
const char *cvx_key_algorithm(convex_key_algorithm algorithm);
/* Its name by RFC 7638. */
convex_status cvx_key_thumbprint(const char *pem, const convex_mem *mem, char ret[CONVEX_KID_SIZE],
                                 convex_error *reterr);
/* Adds the public half as one member of a JWKS. A failure of `ret` itself shows when it is taken.
 */
convex_status cvx_key_add_jwk(const char *pem, const char *kid, cvx_text *ret,
                              convex_error *reterr);

#endif
