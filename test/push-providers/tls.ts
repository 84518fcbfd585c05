/**
 * For clients that insist on TLS. It is for 127.0.0.1 and for tests alone, and good until 2126:
 * openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
 *   -subj "/CN=127.0.0.1" -addext "subjectAltName=IP:127.0.0.1"
 */
export const tls = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggA/S5BhJ4z8wYUij
XLUt0D30xZA8bJj9oSXD+Fpyq8mhRANCAAR3qujKo0P6UoscVF7ORJNb1NKqY6J0
R3Bcaftsa2TdstBXmdTWJW1MftNXnnI7gFpPleQLEDuy3aDkvAbZy7x8
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBkDCCATagAwIBAgIUc6HCUdijAi8E3pJKCAMcl9LQJukwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMTA2MDgyMFoYDzIxMjYxMDI4
MDYwODIwWjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAR3qujKo0P6UoscVF7ORJNb1NKqY6J0R3Bcaftsa2TdstBXmdTWJW1M
ftNXnnI7gFpPleQLEDuy3aDkvAbZy7x8o2QwYjAdBgNVHQ4EFgQUapJbEXE+UvMx
P9P1yVn5Oqf1HuEwHwYDVR0jBBgwFoAUapJbEXE+UvMxP9P1yVn5Oqf1HuEwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0gAMEUC
IDbtm7iNzTuoQ78WsPE+gHcHovy4mYayjnoctaCCr+tGAiEA2Xn4v/wJW+TsfIcU
heSPfEEqwA1LMzmJlENr9yP8GxI=
-----END CERTIFICATE-----
`,
};
