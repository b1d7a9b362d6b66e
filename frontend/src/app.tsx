// The frame around the six pages: brand, market time, navigation, and who is signed in.
import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { session } from "./desk";
import { Analytics } from "./pages/analytics";
import { Config } from "./pages/config";
import { Monitoring } from "./pages/monitoring";
import { Overview } from "./pages/overview";
import { Portfolio } from "./pages/portfolio";
import { SignIn } from "./pages/sign-in";
import { Trading } from "./pages/trading";
import { useAccount } from "./panels/account";
import { ConnectionLamp } from "./panels/connection";
import { MarketTime } from "./panels/market";
import { Mark } from "./parts/mark";
import { PAGES, follow, place, type PagePath } from "./router";
import { useCell } from "./store/hooks";

const VIEWS: Readonly<Record<PagePath, ComponentType>> = {
  "/": Overview,
  "/portfolio": Portfolio,
  "/trading": Trading,
  "/analytics": Analytics,
  "/config": Config,
  "/monitoring": Monitoring,
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
      </div>
      {phase === "expired" && <SignIn />}
    </>
  );
}

function Head() {
  const here = useCell(place);
  const { username, roles } = useCell(session.state);
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
        <MarketTime />
        <ConnectionLamp />
        <div class="user">
          <span title={roles.join(", ")}>{username}</span>
          <button type="button" class="quiet" onClick={() => void session.signOut()} data-testid="sign-out">
            Sign out
          </button>
        </div>
      </div>
      <nav aria-label="Pages">
        {PAGES.map(({ path, name }) => (
          <a key={path} href={path} aria-current={path === here ? "page" : undefined} onClick={(event) => follow(event, path)}>
            {name}
          </a>
        ))}
      </nav>
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

function Body() {
  const here = useCell(place);
  const heading = useRef<HTMLHeadingElement>(null);
  const first = useRef(true);
  const page = PAGES.find(({ path }) => path === here);
  const name = page?.name ?? "No such page";
  useEffect(() => {
    document.title = `${name} · Alpaquero`;
    // A reader of the screen hears where a link has led; the first page is announced by its title.
    if (!first.current) heading.current?.focus();
    first.current = false;
  }, [name]);
  const View = page && VIEWS[page.path];
  return (
    <main id="content" tabIndex={-1}>
      <h1 class="unseen" ref={heading} tabIndex={-1}>
        {name}
      </h1>
      {View ? <View /> : <Lost />}
    </main>
  );
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
