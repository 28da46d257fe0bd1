// auth.config.ts - whose tokens this deployment believes.

import type { AuthConfig } from "convex/server";

export default {
  providers: [
    // People: signed by this deployment itself, see auth.ts.
    { domain: process.env.CONVEX_SITE_URL!, applicationID: "convex" },
    // Daemons: each mints its own short-lived token; access by claim `role`.
    {
      type: "customJwt",
      issuer: process.env.SERVICE_ISSUER!,
      applicationID: process.env.SERVICE_AUDIENCE!,
      algorithm: "ES256",
      jwks: process.env.SERVICE_JWKS!,
    },
  ],
} satisfies AuthConfig;
