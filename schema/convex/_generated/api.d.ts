/* eslint-disable */
/**
 * Generated `api` utility.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To regenerate, run `npx convex dev`.
 * @module
 */

import type * as access from "../access.js";
import type * as account from "../account.js";
import type * as attachments from "../attachments.js";
import type * as audit from "../audit.js";
import type * as auth from "../auth.js";
import type * as channels from "../channels.js";
import type * as checks from "../checks.js";
import type * as communities from "../communities.js";
import type * as crons from "../crons.js";
import type * as discord from "../discord.js";
import type * as events from "../events.js";
import type * as exports from "../exports.js";
import type * as feed from "../feed.js";
import type * as http from "../http.js";
import type * as latency from "../latency.js";
import type * as mirrors from "../mirrors.js";
import type * as model_access from "../model/access.js";
import type * as model_accounts from "../model/accounts.js";
import type * as model_attachmentRoutes from "../model/attachmentRoutes.js";
import type * as model_attachments from "../model/attachments.js";
import type * as model_audit from "../model/audit.js";
import type * as model_billing_facts from "../model/billing/facts.js";
import type * as model_billing_purchases from "../model/billing/purchases.js";
import type * as model_billing_readers from "../model/billing/readers.js";
import type * as model_billing_reading from "../model/billing/reading.js";
import type * as model_billing_sellapp from "../model/billing/sellapp.js";
import type * as model_billing_stripe from "../model/billing/stripe.js";
import type * as model_caller from "../model/caller.js";
import type * as model_channels from "../model/channels.js";
import type * as model_checks from "../model/checks.js";
import type * as model_communities from "../model/communities.js";
import type * as model_counts from "../model/counts.js";
import type * as model_customers from "../model/customers.js";
import type * as model_digest from "../model/digest.js";
import type * as model_discord from "../model/discord.js";
import type * as model_discordLinking from "../model/discordLinking.js";
import type * as model_discordOAuth from "../model/discordOAuth.js";
import type * as model_download from "../model/download.js";
import type * as model_drift from "../model/drift.js";
import type * as model_erasure from "../model/erasure.js";
import type * as model_events from "../model/events.js";
import type * as model_exports from "../model/exports.js";
import type * as model_failure from "../model/failure.js";
import type * as model_feed from "../model/feed.js";
import type * as model_fetches from "../model/fetches.js";
import type * as model_fields from "../model/fields.js";
import type * as model_files from "../model/files.js";
import type * as model_gone from "../model/gone.js";
import type * as model_grounds from "../model/grounds.js";
import type * as model_held from "../model/held.js";
import type * as model_histogram from "../model/histogram.js";
import type * as model_history from "../model/history.js";
import type * as model_latency from "../model/latency.js";
import type * as model_leases from "../model/leases.js";
import type * as model_limits from "../model/limits.js";
import type * as model_linkState from "../model/linkState.js";
import type * as model_links from "../model/links.js";
import type * as model_mirrors from "../model/mirrors.js";
import type * as model_ownData from "../model/ownData.js";
import type * as model_pages from "../model/pages.js";
import type * as model_password from "../model/password.js";
import type * as model_people from "../model/people.js";
import type * as model_plans from "../model/plans.js";
import type * as model_preferences from "../model/preferences.js";
import type * as model_queues from "../model/queues.js";
import type * as model_reading from "../model/reading.js";
import type * as model_revisions from "../model/revisions.js";
import type * as model_roles from "../model/roles.js";
import type * as model_search from "../model/search.js";
import type * as model_secrets from "../model/secrets.js";
import type * as model_services from "../model/services.js";
import type * as model_setup from "../model/setup.js";
import type * as model_shares from "../model/shares.js";
import type * as model_signals from "../model/signals.js";
import type * as model_stats from "../model/stats.js";
import type * as model_symbols from "../model/symbols.js";
import type * as model_timeline from "../model/timeline.js";
import type * as model_tradeLinks from "../model/tradeLinks.js";
import type * as model_trades from "../model/trades.js";
import type * as model_versions from "../model/versions.js";
import type * as model_webhooks from "../model/webhooks.js";
import type * as model_work from "../model/work.js";
import type * as people from "../people.js";
import type * as plans from "../plans.js";
import type * as queues from "../queues.js";
import type * as retention from "../retention.js";
import type * as roles from "../roles.js";
import type * as services from "../services.js";
import type * as setup from "../setup.js";
import type * as shares from "../shares.js";
import type * as signals from "../signals.js";
import type * as stats from "../stats.js";
import type * as trades from "../trades.js";
import type * as webhooks from "../webhooks.js";

import type {
  ApiFromModules,
  FilterApi,
  FunctionReference,
} from "convex/server";

declare const fullApi: ApiFromModules<{
  access: typeof access;
  account: typeof account;
  attachments: typeof attachments;
  audit: typeof audit;
  auth: typeof auth;
  channels: typeof channels;
  checks: typeof checks;
  communities: typeof communities;
  crons: typeof crons;
  discord: typeof discord;
  events: typeof events;
  exports: typeof exports;
  feed: typeof feed;
  http: typeof http;
  latency: typeof latency;
  mirrors: typeof mirrors;
  "model/access": typeof model_access;
  "model/accounts": typeof model_accounts;
  "model/attachmentRoutes": typeof model_attachmentRoutes;
  "model/attachments": typeof model_attachments;
  "model/audit": typeof model_audit;
  "model/billing/facts": typeof model_billing_facts;
  "model/billing/purchases": typeof model_billing_purchases;
  "model/billing/readers": typeof model_billing_readers;
  "model/billing/reading": typeof model_billing_reading;
  "model/billing/sellapp": typeof model_billing_sellapp;
  "model/billing/stripe": typeof model_billing_stripe;
  "model/caller": typeof model_caller;
  "model/channels": typeof model_channels;
  "model/checks": typeof model_checks;
  "model/communities": typeof model_communities;
  "model/counts": typeof model_counts;
  "model/customers": typeof model_customers;
  "model/digest": typeof model_digest;
  "model/discord": typeof model_discord;
  "model/discordLinking": typeof model_discordLinking;
  "model/discordOAuth": typeof model_discordOAuth;
  "model/download": typeof model_download;
  "model/drift": typeof model_drift;
  "model/erasure": typeof model_erasure;
  "model/events": typeof model_events;
  "model/exports": typeof model_exports;
  "model/failure": typeof model_failure;
  "model/feed": typeof model_feed;
  "model/fetches": typeof model_fetches;
  "model/fields": typeof model_fields;
  "model/files": typeof model_files;
  "model/gone": typeof model_gone;
  "model/grounds": typeof model_grounds;
  "model/held": typeof model_held;
  "model/histogram": typeof model_histogram;
  "model/history": typeof model_history;
  "model/latency": typeof model_latency;
  "model/leases": typeof model_leases;
  "model/limits": typeof model_limits;
  "model/linkState": typeof model_linkState;
  "model/links": typeof model_links;
  "model/mirrors": typeof model_mirrors;
  "model/ownData": typeof model_ownData;
  "model/pages": typeof model_pages;
  "model/password": typeof model_password;
  "model/people": typeof model_people;
  "model/plans": typeof model_plans;
  "model/preferences": typeof model_preferences;
  "model/queues": typeof model_queues;
  "model/reading": typeof model_reading;
  "model/revisions": typeof model_revisions;
  "model/roles": typeof model_roles;
  "model/search": typeof model_search;
  "model/secrets": typeof model_secrets;
  "model/services": typeof model_services;
  "model/setup": typeof model_setup;
  "model/shares": typeof model_shares;
  "model/signals": typeof model_signals;
  "model/stats": typeof model_stats;
  "model/symbols": typeof model_symbols;
  "model/timeline": typeof model_timeline;
  "model/tradeLinks": typeof model_tradeLinks;
  "model/trades": typeof model_trades;
  "model/versions": typeof model_versions;
  "model/webhooks": typeof model_webhooks;
  "model/work": typeof model_work;
  people: typeof people;
  plans: typeof plans;
  queues: typeof queues;
  retention: typeof retention;
  roles: typeof roles;
  services: typeof services;
  setup: typeof setup;
  shares: typeof shares;
  signals: typeof signals;
  stats: typeof stats;
  trades: typeof trades;
  webhooks: typeof webhooks;
}>;

/**
 * A utility for referencing Convex functions in your app's public API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = api.myModule.myFunction;
 * ```
 */
export declare const api: FilterApi<
  typeof fullApi,
  FunctionReference<any, "public">
>;

/**
 * A utility for referencing Convex functions in your app's internal API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = internal.myModule.myFunction;
 * ```
 */
export declare const internal: FilterApi<
  typeof fullApi,
  FunctionReference<any, "internal">
>;

export declare const components: {};
