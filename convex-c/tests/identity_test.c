/* identity_test.c - service JWTs: their claims, their signature, when they are renewed. */
#include "tests/support.h"

#include <fcntl.h>
#include <math.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "identity_internal.h"

static char *pem_of(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_non_null(key);
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, "secret", 6, NULL, NULL), 1);
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    char *pem = strndup(data, (size_t)len);
    BIO_free(bio);
    EVP_PKEY_free(key);
    return pem;
}

static char *p256_pem, *rsa_pem;

static int make_keys(void **state)
{
    p256_pem = pem_of(EVP_EC_gen("P-256"), NULL);
    rsa_pem = pem_of(EVP_RSA_gen(2048), NULL);
    return 0;
}

static int free_keys(void **state)
{
    free(p256_pem);
    free(rsa_pem);
    return 0;
}

static convex_identity_options options_with(const char *pem)
{
    return (convex_identity_options){
        .size = sizeof(convex_identity_options),
        .key_pem = pem,
        .kid = "service-1",
        .issuer = "https://services.signals.invalid",
        .audience = "signals-services",
        .subject = "bot/host-1",
        .role = "bot",
    };
}

static convex_identity *identity_with(const char *pem)
{
    convex_identity_options options = options_with(pem);
    convex_identity *identity = NULL;
    convex_error error = {0};
    if (convex_identity_new(&options, &identity, &error) != CONVEX_OK)
        fail_msg("%s", error.message);
    return identity;
}

static char *token_at(convex_identity *identity, int64_t now_s, int force)
{
    char *token = NULL;
    assert_int_equal(cvx_identity_token_at(identity, now_s, force, &token, NULL), CONVEX_OK);
    return token;
}

/* Part 0 or 1 of a token, as a value. */
static convex_value *part(const char *token, int n)
{
    uint8_t json[2048];
    size_t len = 0;
    const char *start = n == 0 ? token : strchr(token, '.') + 1;
    convex_value *value = NULL;
    assert_true(cvx_base64url_decode(start, strcspn(start, "."), json, &len));
    assert_int_equal(
        convex_value_parse((char *)json, len, CONVEX_PLAIN_JSON, 0, NULL, &value, NULL), CONVEX_OK);
    return value;
}

static const char *text_at(const convex_value *value, const char *path)
{
    const char *text = convex_value_string(convex_value_get(value, path), NULL);
    assert_non_null(text);
    return text;
}

TEST(a_token_has_the_claims_that_convex_checks)
{
    convex_identity *identity = identity_with(p256_pem);
    char *token = token_at(identity, 1700000000, 0);
    convex_value *header = part(token, 0), *payload = part(token, 1);
    double iat = 0, exp = 0;
    assert_string_equal(text_at(header, "alg"), "ES256");
    assert_string_equal(text_at(header, "kid"), "service-1");
    assert_string_equal(text_at(header, "typ"), "JWT");
    assert_int_equal(convex_value_count(header), 3);
    assert_string_equal(text_at(payload, "iss"), "https://services.signals.invalid");
    assert_string_equal(text_at(payload, "sub"), "bot/host-1");
    assert_string_equal(text_at(payload, "aud"), "signals-services");
    assert_string_equal(text_at(payload, "role"), "bot");
    assert_int_equal(convex_value_count(payload), 6);
    assert_int_equal(convex_jwt_times(token, &iat, &exp), CONVEX_OK);
    assert_true(iat == 1700000000 && exp == 1700000600);
    convex_value_unref(header);
    convex_value_unref(payload);
    convex_text_free(token, NULL);
    convex_identity_free(identity);
}

TEST(a_token_carries_extra_claims_and_its_own_lifetime)
{
    convex_identity_options options = options_with(rsa_pem);
    const convex_claim claims[] = {{"region", "eu"}, {"shard", "7"}};
    convex_identity *identity = NULL;
    double exp = 0;
    options.claims = claims;
    options.claim_count = 2;
    options.lifetime_s = 60;
    options.role = options.audience = NULL;
    assert_int_equal(convex_identity_new(&options, &identity, NULL), CONVEX_OK);
    char *token = token_at(identity, 1000, 0);
    convex_value *header = part(token, 0), *payload = part(token, 1);
    assert_string_equal(text_at(header, "alg"), "RS256");
    assert_string_equal(text_at(payload, "region"), "eu");
    assert_string_equal(text_at(payload, "shard"), "7");
    assert_null(convex_value_field(payload, "role"));
    assert_int_equal(convex_jwt_times(token, NULL, &exp), CONVEX_OK);
    assert_true(exp == 1060);
    convex_value_unref(header);
    convex_value_unref(payload);
    convex_text_free(token, NULL);
    convex_identity_free(identity);
}

/* ---- the signature, checked with the published key only ---- */

static BIGNUM *number_of(const convex_value *jwk, const char *name, size_t *len)
{
    uint8_t bytes[512];
    const char *text = text_at(jwk, name);
    assert_true(cvx_base64url_decode(text, strlen(text), bytes, len));
    return BN_bin2bn(bytes, (int)*len, NULL);
}

static EVP_PKEY *build_key(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

static EVP_PKEY *ec_key_of(const convex_value *jwk)
{
    uint8_t point[65] = {4};
    size_t x_len = 0, y_len = 0;
    BIGNUM *x = number_of(jwk, "x", &x_len), *y = number_of(jwk, "y", &y_len);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    assert_string_equal(text_at(jwk, "crv"), "P-256");
    assert_true(x_len == 32 && y_len == 32);
    BN_bn2binpad(x, point + 1, 32);
    BN_bn2binpad(y, point + 33, 32);
    OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point);
    EVP_PKEY *key = build_key("EC", builder);
    BN_free(x);
    BN_free(y);
    return key;
}

static EVP_PKEY *rsa_key_of(const convex_value *jwk)
{
    size_t len = 0;
    BIGNUM *n = number_of(jwk, "n", &len), *e = number_of(jwk, "e", &len);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e);
    EVP_PKEY *key = build_key("RSA", builder);
    BN_free(n);
    BN_free(e);
    return key;
}

/* JWS keeps r and s bare, 32 bytes each; OpenSSL wants them in DER. */
static size_t to_der(const uint8_t *raw, size_t len, uint8_t *ret)
{
    assert_int_equal(len, 64);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    ECDSA_SIG_set0(sig, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
    int der = i2d_ECDSA_SIG(sig, &ret);
    ECDSA_SIG_free(sig);
    return (size_t)der;
}

static bool verifies(EVP_PKEY *key, const char *token, bool ec)
{
    uint8_t raw[512], der[128];
    size_t len = 0;
    const char *signature = strrchr(token, '.') + 1;
    size_t signed_len = (size_t)(signature - 1 - token);
    assert_true(cvx_base64url_decode(signature, strlen(signature), raw, &len));
    size_t der_len = ec ? to_der(raw, len, der) : 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(context, ec ? der : raw, ec ? der_len : len,
                               (const unsigned char *)token, signed_len) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

static void assert_published_key_verifies(const char *pem, const char *algorithm, bool ec)
{
    convex_identity *identity = identity_with(pem);
    char *token = NULL, *jwks = NULL;
    assert_int_equal(convex_identity_token(identity, 0, &token, NULL), CONVEX_OK);
    assert_int_equal(convex_identity_jwks(identity, &jwks, NULL), CONVEX_OK);
    convex_value *keys = parse_as(jwks, CONVEX_PLAIN_JSON);
    const convex_value *jwk = convex_value_get(keys, "keys[0]");
    assert_string_equal(text_at(jwk, "kid"), "service-1");
    assert_string_equal(text_at(jwk, "alg"), algorithm);
    assert_string_equal(text_at(jwk, "use"), "sig");
    assert_int_equal(convex_value_count(jwk), ec ? 7 : 6); /* nothing private */
    EVP_PKEY *key = ec ? ec_key_of(jwk) : rsa_key_of(jwk);
    assert_true(verifies(key, token, ec));
    token[strcspn(token, ".") + 3] ^= 1;
    assert_false(verifies(key, token, ec));
    EVP_PKEY_free(key);
    convex_value_unref(keys);
    convex_text_free(token, NULL);
    convex_text_free(jwks, NULL);
    convex_identity_free(identity);
}

TEST(the_published_key_verifies_an_es256_token)
{
    assert_published_key_verifies(p256_pem, "ES256", true);
}

TEST(the_published_key_verifies_an_rs256_token)
{
    assert_published_key_verifies(rsa_pem, "RS256", false);
}

TEST(published_coordinates_keep_their_leading_zeros)
{
    for (int i = 0; i < 300; i++) { /* one in 128 keys has such a coordinate */
        char *pem = pem_of(EVP_EC_gen("P-256"), NULL), *jwks = NULL;
        convex_identity *identity = identity_with(pem);
        assert_int_equal(convex_identity_jwks(identity, &jwks, NULL), CONVEX_OK);
        convex_value *keys = parse_as(jwks, CONVEX_PLAIN_JSON);
        assert_int_equal(strlen(text_at(keys, "keys[0].x")), 43);
        assert_int_equal(strlen(text_at(keys, "keys[0].y")), 43);
        convex_value_unref(keys);
        convex_text_free(jwks, NULL);
        convex_identity_free(identity);
        free(pem);
    }
}

/* ---- renewal ---- */

TEST(a_token_is_kept_for_four_fifths_of_its_life)
{
    convex_identity *identity = identity_with(p256_pem);
    char *first = token_at(identity, 1000, 0), *kept = token_at(identity, 1479, 0);
    char *renewed = token_at(identity, 1480, 0);
    assert_string_equal(first, kept);
    assert_string_not_equal(first, renewed);
    char *forced = token_at(identity, 1480, 1), *after = token_at(identity, 1481, 0);
    assert_string_not_equal(renewed, forced);
    assert_string_equal(forced, after);
    char *set_back = token_at(identity, 900, 0); /* the clock was */
    assert_string_not_equal(after, set_back);
    char *all[] = {first, kept, renewed, forced, after, set_back};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        convex_text_free(all[i], NULL);
    convex_identity_free(identity);
}

static void *fetch_tokens(void *arg)
{
    convex_auth auth = convex_identity_auth(arg);
    for (int i = 0; i < 30; i++) {
        char *token = NULL;
        if (auth.fetch(auth.user, i % 10 == 0, &token, NULL) != CONVEX_OK)
            return arg;
        convex_text_free(token, NULL);
    }
    return NULL;
}

TEST(several_threads_share_one_identity)
{
    convex_identity *identity = identity_with(p256_pem);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fetch_tokens, identity), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    convex_identity_free(identity);
}

/* ---- refusals ---- */

static void assert_refused(const convex_identity_options *options, const char *word)
{
    convex_identity *identity = NULL;
    convex_error error = {0};
    assert_int_equal(convex_identity_new(options, &identity, &error), CONVEX_EINVAL);
    assert_null(identity);
    if (strstr(error.message, word) == NULL)
        fail_msg("%s", error.message);
}

static void assert_key_refused(char *pem, const char *word)
{
    convex_identity_options options = options_with(pem);
    assert_refused(&options, word);
    free(pem);
}

TEST(a_key_no_algorithm_fits_is_refused)
{
    assert_key_refused(pem_of(EVP_EC_gen("P-384"), NULL), "P-256");
    assert_key_refused(pem_of(EVP_RSA_gen(1024), NULL), "2048");
    assert_key_refused(pem_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL), "P-256");
    assert_key_refused(pem_of(EVP_EC_gen("P-256"), EVP_aes_128_cbc()), "passphrase");
    assert_key_refused(strdup("-----BEGIN PRIVATE KEY-----\nnope\n"), "PEM");
    assert_key_refused(strdup("x"), "PEM");
}

TEST(a_missing_option_is_named)
{
    convex_identity_options options = options_with(p256_pem);
    const convex_claim reserved = {"iss", "x"}, nameless = {"", "x"};
    options.kid = "";
    assert_refused(&options, "kid");
    options = options_with(p256_pem);
    options.subject = "";
    assert_refused(&options, "subject");
    options = options_with(NULL);
    assert_refused(&options, "key_file");
    options = options_with(p256_pem);
    options.key_file = "also";
    assert_refused(&options, "key_file");
    options = options_with(p256_pem);
    options.claim_count = 1;
    options.claims = &reserved;
    assert_refused(&options, "standard");
    options.claims = &nameless;
    assert_refused(&options, "claim");
    options = options_with(p256_pem);
    options.lifetime_s = 86401;
    assert_refused(&options, "lifetime_s");
    convex_identity_free(NULL);
}

static void write_key(int fd, const char *pem)
{
    assert_true(fd >= 0);
    assert_int_equal(write(fd, pem, strlen(pem)), (ssize_t)strlen(pem));
    close(fd);
}

TEST(a_key_file_is_read_and_a_missing_one_is_named)
{
    char path[] = "/tmp/convex_identity_XXXXXX";
    write_key(mkstemp(path), p256_pem);
    convex_identity_options options = options_with(NULL);
    convex_identity *identity = NULL;
    options.key_file = path;
    assert_int_equal(convex_identity_new(&options, &identity, NULL), CONVEX_OK);
    convex_identity_free(identity);
    assert_int_equal(truncate(path, 0), 0);
    assert_refused(&options, "empty");
    unlink(path);
    assert_refused(&options, path);
}

TEST(a_key_file_that_others_can_reach_is_refused)
{
    char path[] = "/tmp/convex_identity_XXXXXX";
    write_key(mkstemp(path), p256_pem);
    convex_identity_options options = options_with(NULL);
    options.key_file = path;
    static const mode_t open_modes[] = {0604, 0601, 0660, 0644};
    for (size_t i = 0; i < sizeof open_modes / sizeof open_modes[0]; i++) {
        assert_int_equal(chmod(path, open_modes[i]), 0);
        assert_refused(&options, "chmod 600");
    }
    assert_int_equal(chmod(path, 0640), 0);
    convex_identity *identity = NULL;
    assert_int_equal(convex_identity_new(&options, &identity, NULL), CONVEX_OK);
    convex_identity_free(identity);
    unlink(path);
}

/* ---- rotation ---- */

static void count_line(convex_log_level level, const char *text, void *user)
{
    assert_int_equal(level, CONVEX_LOG_WARN);
    assert_non_null(strstr(text, "stays in use"));
    ++*(int *)user;
}

static void replace_key(const char *path, const char *pem)
{
    char next[100];
    snprintf(next, sizeof next, "%s.next", path);
    write_key(open(next, O_WRONLY | O_CREAT | O_TRUNC, 0600), pem);
    assert_int_equal(rename(next, path), 0);
}

/* The kid of a token made now; it must differ from or equal `before`. */
static char *next_kid(convex_identity *identity, const char *before, bool same)
{
    char *token = token_at(identity, 1000, 1);
    convex_value *header = part(token, 0);
    char *kid = strdup(text_at(header, "kid"));
    assert_int_equal(strcmp(kid, before) == 0, same);
    convex_value_unref(header);
    convex_text_free(token, NULL);
    return kid;
}

TEST(a_key_file_that_was_replaced_signs_the_next_token)
{
    char path[] = "/tmp/convex_identity_XXXXXX";
    int lines = 0;
    write_key(mkstemp(path), p256_pem);
    convex_identity_options options = options_with(NULL);
    options.key_file = path;
    options.kid = NULL;
    options.log = (convex_log){count_line, &lines};
    convex_identity *identity = NULL;
    assert_int_equal(convex_identity_new(&options, &identity, NULL), CONVEX_OK);
    char *first = next_kid(identity, "", false);
    assert_int_equal(strlen(first), CONVEX_KID_SIZE - 1);
    replace_key(path, rsa_pem); /* another algorithm even */
    char *second = next_kid(identity, first, false);
    replace_key(path, "no key");
    char *kept = next_kid(identity, second, true);
    unlink(path);
    free(next_kid(identity, second, true));
    assert_int_equal(lines, 2);
    free(first);
    free(second);
    free(kept);
    convex_identity_free(identity);
}

TEST(when_any_allocation_fails_an_identity_fails_cleanly)
{
    for (long n = 0, done = 0; !done; n++) {
        failing_mem counter = {.left = n};
        convex_identity_options options = options_with(p256_pem);
        options.mem = failing(&counter);
        convex_identity *identity = NULL;
        char *token = NULL, *jwks = NULL;
        convex_status status = convex_identity_new(&options, &identity, NULL);
        if (status == CONVEX_OK)
            status = convex_identity_token(identity, 0, &token, NULL);
        if (status == CONVEX_OK)
            status = convex_identity_jwks(identity, &jwks, NULL);
        done = status == CONVEX_OK;
        assert_true(done || status == CONVEX_ENOMEM);
        convex_text_free(token, &options.mem);
        convex_text_free(jwks, &options.mem);
        convex_identity_free(identity);
        assert_int_equal(counter.live, 0);
    }
}

/* ---- reading times ---- */

TEST(times_are_read_from_any_jwt_without_verifying)
{
    static const struct {
        const char *token;
        double iat, exp;
    } cases[] = {
        /* {"iat":1700000000.5,"exp":1700000600.25} under {"alg":"EdDSA","typ":"at+jwt"} */
        {"eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9."
         "eyJpYXQiOjE3MDAwMDAwMDAuNSwiZXhwIjoxNzAwMDAwNjAwLjI1fQ.AA",
         1700000000.5, 1700000600.25},
        {"e30.eyJleHAiOjV9.", NAN, 5},       /* {"exp":5} */
        {"e30.eyJleHAiOiI1In0.x", NAN, NAN}, /* {"exp":"5"} */
        {"e30.e30.x", NAN, NAN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double iat = 1, exp = 1;
        assert_int_equal(convex_jwt_times(cases[i].token, &iat, &exp), CONVEX_OK);
        assert_true(isnan(cases[i].iat) ? isnan(iat) : iat == cases[i].iat);
        assert_true(isnan(cases[i].exp) ? isnan(exp) : exp == cases[i].exp);
    }
    static const char *const not_jwts[] = {
        "", "a", "a.b", "e30.e30", "e30.W10.x", "e30..x", "e30.!!.x", "e30.e30.x.y", "e30.e31.x"};
    for (size_t i = 0; i < sizeof not_jwts / sizeof not_jwts[0]; i++) {
        double iat = 1, exp = 1;
        assert_int_equal(convex_jwt_times(not_jwts[i], &iat, &exp), CONVEX_EINVAL);
        assert_true(iat == 1 && exp == 1);
    }
    assert_int_equal(convex_jwt_times(NULL, NULL, NULL), CONVEX_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_has_the_claims_that_convex_checks),
        cmocka_unit_test(a_token_carries_extra_claims_and_its_own_lifetime),
        cmocka_unit_test(the_published_key_verifies_an_es256_token),
        cmocka_unit_test(the_published_key_verifies_an_rs256_token),
        cmocka_unit_test(published_coordinates_keep_their_leading_zeros),
        cmocka_unit_test(a_token_is_kept_for_four_fifths_of_its_life),
        cmocka_unit_test(several_threads_share_one_identity),
        cmocka_unit_test(a_key_no_algorithm_fits_is_refused),
        cmocka_unit_test(a_missing_option_is_named),
        cmocka_unit_test(a_key_file_is_read_and_a_missing_one_is_named),
        cmocka_unit_test(a_key_file_that_others_can_reach_is_refused),
        cmocka_unit_test(a_key_file_that_was_replaced_signs_the_next_token),
        cmocka_unit_test(times_are_read_from_any_jwt_without_verifying),
        cmocka_unit_test(when_any_allocation_fails_an_identity_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
