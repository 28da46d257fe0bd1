// Shell.tsx - the frame around every page: navigation, connection, menu.
//
// One order of elements for every screen; shell.css makes it a column at the
// side of a wide one, and a bar above and below a narrow one.

import { useQuery } from "convex/react";
import { Suspense, useEffect, useRef, useState, type ReactNode } from "react";
import { useSignOut } from "../account/SessionEnd";
import { ErrorBoundary } from "../ui/ErrorBoundary";
import { Icon } from "../ui/Icon";
import { Mark } from "../ui/Notice";
import { Segmented } from "../ui/Segmented";
import { Connection } from "./Connection";
import { api } from "./api";
import { href, Link, navigate, usePageScroll } from "./router";
import { routes, type Found, type Route } from "./routes";
import { useSession } from "./session";
import { setTheme, THEMES, useTheme, type Theme } from "./theme";
import { Shortcuts, useShortcuts } from "./shortcuts";
import {
  unreadWords,
  useTellUnread,
  useTitle,
  useTitlePlace,
  useUnread,
} from "./title";
import "./shell.css";

export function Shell(props: { found: Found | null; children: ReactNode }) {
  const { found, children } = props;
  const { standing } = useSession();
  const page = found?.route.path ?? "";
  usePageScroll(`${page} ${JSON.stringify(found?.params)}`);
  useTitlePlace(standing?.name ?? "");
  return (
    <div
      className="shell"
      data-group={operates(found?.route) ? "operator" : "main"}
    >
      <Skip />
      <div className="side">
        <header className="shell-head">
          <p className="brand">
            <Mark /> <span dir="auto">{standing?.name ?? "Signals"}</span>
          </p>
          <Connection />
        </header>
        <Navigation current={found?.route ?? null} />
        <UserMenu />
      </div>
      {standing?.live && (
        <ErrorBoundary refused={<></>}>
          <Unread />
        </ErrorBoundary>
      )}
      <Keys />
      <main id="main" tabIndex={-1}>
        <Titled key={page} title={found?.route.title ?? ""} />
        {children}
      </main>
    </div>
  );
}

/** A page that needs nobody to be signed in: no navigation around it. */
export function Bare({ found }: { found: Found }) {
  usePageScroll(found.route.path);
  return (
    <main id="main" tabIndex={-1} className="bare">
      <Titled title={found.route.title} />
      <ErrorBoundary>
        <Page found={found} active />
      </ErrorBoundary>
    </main>
  );
}

export function Page({ found, active }: { found: Found; active: boolean }) {
  const { route, params, query } = found;
  return (
    <Suspense fallback={<div className="page-loading" aria-busy="true" />}>
      <route.page params={params} query={query} active={active} />
    </Suspense>
  );
}

// Apart from the rest of the frame: it ends with the access to what it counts.
function Unread() {
  const { community } = useSession();
  useTellUnread(useQuery(api.feed.unread, { community })?.count ?? 0);
  return null;
}

function Keys() {
  const [open, setOpen] = useState(false);
  const pages = useOpenRoutes();
  useShortcuts(
    "Pages",
    pages.flatMap(({ path, nav }) =>
      nav?.keys
        ? [
            {
              keys: nav.keys,
              label: nav.label,
              run: () => navigate(href(path, {})),
            },
          ]
        : [],
    ),
  );
  return <Shortcuts open={open} setOpen={setOpen} />;
}

function Titled({ title }: { title: string }) {
  useTitle(title);
  return null;
}

// The address after "#" is the page's, so the link moves the focus itself.
function Skip() {
  return (
    <a
      className="skip"
      href="#main"
      onClick={(event) => {
        event.preventDefault();
        document.getElementById("main")!.focus();
      }}
    >
      Skip to the page
    </a>
  );
}

// Those that this person can go to.
function useOpenRoutes(): Route[] {
  const { me } = useSession();
  return routes.filter(
    (route) => route.nav && (route.who !== "operator" || me.operator),
  );
}

function Navigation({ current }: { current: Route | null }) {
  const open = useOpenRoutes();
  const main = open.filter((route) => route.nav!.group === "main");
  const operator = open.filter((route) => route.nav!.group === "operator");
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a narrow screen the operator's pages are a row that is wider than it.
    nav.current
      ?.querySelector(".nav-operator [aria-current]")
      ?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [current]);
  return (
    <nav ref={nav} className="shell-nav" aria-label="Pages">
      <ul className="nav-group">
        {main.map((route) => (
          <NavItem key={route.path} route={route} current={current} />
        ))}
        {operator[0] && (
          <li className="nav-operate">
            <Link
              to={href(operator[0].path, {})}
              aria-current={operates(current) ? "true" : undefined}
            >
              <Icon name="sliders" />
              <span>Operate</span>
            </Link>
          </li>
        )}
      </ul>
      {operator.length > 0 && (
        <div className="nav-operator">
          <p className="nav-title" id="nav-operator">
            Operate
          </p>
          <ul className="nav-group" aria-labelledby="nav-operator">
            {operator.map((route) => (
              <NavItem key={route.path} route={route} current={current} />
            ))}
          </ul>
        </div>
      )}
    </nav>
  );
}

function operates(route: Route | null | undefined): boolean {
  return route?.path.startsWith("/operator") === true;
}

function NavItem({ route, current }: { route: Route; current: Route | null }) {
  const unread = useUnread();
  const { label, icon } = route.nav!;
  return (
    <li>
      <Link
        to={href(route.path, {})}
        aria-current={isAt(route, current) ? "page" : undefined}
      >
        <Icon name={icon} />
        <span>{label}</span>
        {route.path === "/" && unread > 0 && (
          <span className="nav-count">
            {unreadWords(unread)}
            <span className="unseen"> unread</span>
          </span>
        )}
      </Link>
    </li>
  );
}

// A page without a place of its own in the navigation is below the nearest that has one.
function isAt(route: Route, current: Route | null): boolean {
  if (current === null) return false;
  if (current.path === route.path) return true;
  if (current.nav) return false;
  if (route.path === "/") return current.path.startsWith("/signal/");
  const above = routes
    .filter(({ nav, path }) => nav && current.path.startsWith(`${path}/`))
    .map(({ path }) => path.length);
  return (
    current.path.startsWith(`${route.path}/`) &&
    route.path.length === Math.max(...above)
  );
}

const THEME_WORDS: Record<Theme, string> = {
  auto: "Auto",
  light: "Light",
  dark: "Dark",
};

function UserMenu() {
  const { me } = useSession();
  const signOut = useSignOut();
  const theme = useTheme();
  const [initial = "?"] = [...me.email];
  return (
    <section className="user" aria-label="You">
      <button className="user-button" popoverTarget="user-menu">
        <span
          className="user-initial"
          data-initial={initial.toUpperCase()}
          aria-hidden="true"
        />
        <span className="unseen">Your menu: </span>
        <span className="user-email">{me.email}</span>
      </button>
      <div id="user-menu" popover="auto" className="user-menu">
        <p className="user-who">
          Signed in as <strong>{me.email}</strong>
        </p>
        <Segmented
          label="Appearance"
          options={THEMES.map((value) => ({
            value,
            label: THEME_WORDS[value],
          }))}
          value={theme}
          onChange={setTheme}
        />
        <button className="menu-item" onClick={signOut}>
          <Icon name="leave" /> Sign out
        </button>
      </div>
    </section>
  );
}
