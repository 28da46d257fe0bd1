// version.ts - what /version says; a deployment's health check.
export const VERSION = "convex-development-backend";
