import type { AuthConfig } from "convex/server";

export default {
  providers: [
    {
      type: "customJwt",
      issuer: process.env.SERVICE_ISSUER!,
      applicationID: process.env.SERVICE_AUDIENCE!,
      jwks: process.env.SERVICE_JWKS!,
      algorithm: "ES256",
    },
  ],
} satisfies AuthConfig;
