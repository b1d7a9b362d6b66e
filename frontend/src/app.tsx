// The frame around the pages: brand, market time, navigation, and who is signed in.
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { again } from "./api/client";
import { session } from "./desk";
import { Overview } from "./pages/overview";
import { SignIn } from "./pages/sign-in";
import { useAccount } from "./panels/account";
import { ConnectionLamp } from "./panels/connection";
import { GoToSymbol } from "./panels/go-to-symbol";
import { MarketTime } from "./panels/market";
import { ThemeSwitch } from "./panels/theme";
import { Mark } from "./parts/mark";
import { Toasts } from "./parts/toast";
import { PAGES, SYMBOL_PAGE, follow, place, symbolOf, type PagePath } from "./router";
import { useCell } from "./store/hooks";

/** The first page comes with the first load; each of these is fetched when it is opened. */
const LATER: Readonly<Record<Exclude<PagePath, "/">, () => Promise<ComponentType>>> = {
  "/portfolio": () => import("./pages/portfolio").then(({ Portfolio }) => Portfolio),
  "/trading": () => import("./pages/trading").then(({ Trading }) => Trading),
  "/analytics": () => import("./pages/analytics").then(({ Analytics }) => Analytics),
  "/config": () => import("./pages/config").then(({ Config }) => Config),
  "/monitoring": () => import("./pages/monitoring").then(({ Monitoring }) => Monitoring),
  [SYMBOL_PAGE]: () => import("./pages/symbol").then(({ SymbolPage }) => SymbolPage),
};

export function App() {
  const { phase } = useCell(session.state);
  if (phase === "starting") {
    return (
      <p class="starting" role="status">
        <Mark size={40} /> <span class="unseen">Opening Alpaquero</span>
      </p>
    );
  }
  if (phase === "signed-out") return <SignIn />;
  return (
    <>
      <div class="frame" inert={phase === "expired"}>
        <Head />
        <Body />
        <Toasts />
      </div>
      {phase === "expired" && <SignIn />}
    </>
  );
}

function Head() {
  const here = useCell(place);
  const { username, roles } = useCell(session.state);
  const pages = useRef<HTMLElement>(null);
  // On a phone the names are wider than the screen.
  useEffect(() => pages.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [here]);
  return (
    <header class="head">
      <a class="skip" href="#content">
        Skip to content
      </a>
      <div class="head-row">
        <a class="brand" href="/" onClick={(event) => follow(event, "/")}>
          <Mark />
          <span>Alpaquero</span>
        </a>
        <Environment />
        <Lowered />
        <MarketTime />
        <ConnectionLamp />
        <ThemeSwitch />
        <div class="user">
          <span title={roles.join(", ")}>{username}</span>
          <button type="button" class="quiet" onClick={() => void session.signOut()} data-testid="sign-out">
            Sign out
          </button>
        </div>
      </div>
      <div class="head-pages">
        <nav aria-label="Pages" ref={pages}>
          {PAGES.map(({ path, name }) => (
            <a key={path} href={path} aria-current={path === here ? "page" : undefined} onClick={(event) => follow(event, path)}>
              {name}
            </a>
          ))}
        </nav>
        <GoToSymbol />
      </div>
    </header>
  );
}

/** Paper money is told from real money at every glance. */
function Environment() {
  const { data } = useAccount();
  if (!data) return null;
  const live = data.environment === "live";
  return (
    <span class={live ? "badge live-money" : "badge paper"} data-testid="environment" title={`account ${data.account}, environment ${data.environment}`}>
      {live ? "Real money" : "Paper"}
    </span>
  );
}

/** Wherever one looks, it shows that the bot may not buy. */
function Lowered() {
  const state = useAccount().data?.trading_state;
  if (state === undefined || state === "ACTIVE") return null;
  return (
    <a class="badge lowered" href="/" title="Whether the bot may trade; the switch is on the overview" onClick={(event) => follow(event, "/")} data-testid="lowered">
      {state}
    </a>
  );
}

function Body() {
  const here = useCell(place);
  const heading = useRef<HTMLHeadingElement>(null);
  const first = useRef(true);
  const symbol = symbolOf(here);
  const page = PAGES.find(({ path }) => path === here);
  const name = symbol ?? page?.name ?? "No such page";
  useEffect(() => {
    document.title = `${name} · Alpaquero`;
    // A reader of the screen hears where a link has led; the first page is announced by its title.
    if (!first.current) heading.current?.focus();
    first.current = false;
  }, [name]);
  const path = symbol ? SYMBOL_PAGE : page?.path;
  return (
    <main id="content" tabIndex={-1}>
      <h1 class="unseen" ref={heading} tabIndex={-1}>
        {name}
      </h1>
      {path ? <View key={path} path={path} /> : <Lost />}
    </main>
  );
}

const View = ({ path }: { path: PagePath }) => (path === "/" ? <Overview /> : <Later load={LATER[path]} />);

function Later({ load }: { load: () => Promise<ComponentType> }) {
  const [Loaded, setLoaded] = useState<ComponentType | null>(null);
  const [failure, setFailure] = useState("");
  useEffect(() => {
    again(load).then(
      (loaded) => setLoaded(() => loaded),
      (error: Error) => setFailure(error.message),
    );
  }, []);
  if (failure) {
    return (
      <div class="notice bad" role="alert" data-testid="error">
        <p>
          <strong>This page did not load.</strong> {failure} Load it again once the stack is up; after an update of the dashboard that is needed once.
        </p>
        <p class="notice-foot">
          <button type="button" class="quiet" onClick={() => location.reload()}>
            Load it again
          </button>
        </p>
      </div>
    );
  }
  return Loaded ? <Loaded /> : <p class="unseen" role="status">Loading the page</p>;
}

const Lost = () => (
  <p class="empty">
    There is no page here.{" "}
    <a href="/" onClick={(event) => follow(event, "/")}>
      Go to the overview
    </a>
    .
  </p>
);
