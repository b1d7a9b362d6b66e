// The page's one session, its reads, its socket and its list of events, and how they move each
// other: an event makes reads stale, a lost socket quickens the polling.
import { SessionKeeper } from "./api/session";
import type { Ticket } from "./api/bodies";
import { withEvent, type FeedEntry } from "./live/feed";
import { LivePrices, PRICES_CHANGED } from "./live/prices";
import { LiveSocket, type Connection, type Wire } from "./live/socket";
import { touchedBy } from "./live/touches";
import { Cell } from "./store/cell";
import { Lanes, serviceOf } from "./store/lanes";
import { Precedence } from "./store/precedence";
import { GATHER_MS, PACE_LIVE_MS, PACE_POLLING_MS, Reads } from "./store/reads";

export const session = new SessionKeeper();
export const connection = new Cell<Connection>("connecting");
export const feed = new Cell<readonly FeedEntry[]>([]);
/** When the server was last heard, by this computer's clock; 0 before. */
export const heardAt = new Cell(0);
/** What the page is opened for. */
const CHIEF = /^\/api\/(account|config|positions|chart\/.+)$/;
const precedence = new Precedence();
const lanes = new Lanes();

const get = (path: string, anew = true): Promise<string> => lanes.take(serviceOf(path), async () => (await session.request("GET", path, { anew })).text);

/** A read that stands behind what the page is opened for. */
export async function getAfter(path: string, anew = true): Promise<string> {
  await precedence.after();
  return get(path, anew);
}

export const reads = new Reads(
  (path, anew) => (CHIEF.test(path) ? precedence.first(() => get(path, anew)) : getAfter(path, anew)),
  (good) => good && heardAt.set(Date.now()),
);

/** The first socket opens while the page is still being read: what it missed since can wait. */
const FIRST_CATCH_UP_MS = 3_000;
let beenLive = false;

const socket = new LiveSocket({
  async ticket() {
    await precedence.after();
    const { text } = await session.request("POST", "/api/auth/ticket", { signal: session.whileSignedIn() });
    return (JSON.parse(text) as Ticket).ticket;
  },
  open(ticket) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    return new WebSocket(`${scheme}://${location.host}/ws?ticket=${encodeURIComponent(ticket)}`) as Wire;
  },
  onEvent(event) {
    heardAt.set(Date.now());
    if (event.type === PRICES_CHANGED) {
      prices.take(event);
      return;
    }
    feed.set(withEvent(feed.value, event));
    reads.touch(touchedBy(event.type));
  },
  onConnection(state) {
    connection.set(state);
    if (state !== "live") prices.forget();
    if (state === "live") reads.setPace(PACE_LIVE_MS, beenLive ? GATHER_MS : FIRST_CATCH_UP_MS);
    else reads.setPace(PACE_POLLING_MS);
    beenLive ||= state === "live";
  },
});

export const prices = new LivePrices((topics) => socket.watch(topics));

const forgetting: (() => void)[] = [];

/** Adds to what is done when another one signs in, or nobody is. */
export const onForget = (forget: () => void): void => void forgetting.push(forget);

let reader = "";

function followSession(): void {
  const { phase, username } = session.state.value;
  if (phase === "signed-in") {
    if (username !== reader) forget();
    reader = username;
    reads.setAwake(true);
    // The chart waits for the name of its symbol.
    reads.ask("/api/config");
    socket.start();
    return;
  }
  reads.setAwake(false);
  socket.stop();
  if (phase === "signed-out") forget();
}

function forget(): void {
  reader = "";
  reads.clear();
  feed.set([]);
  for (const each of forgetting) each();
}

/** Called once by the entry of the page. */
export function open(): void {
  let phase = session.state.value.phase;
  session.state.watch(() => {
    if (session.state.value.phase === phase) return;
    phase = session.state.value.phase;
    followSession();
  });
  document.addEventListener("visibilitychange", () => {
    const shown = document.visibilityState === "visible" && session.state.value.phase === "signed-in";
    reads.setAwake(shown);
    prices.setAwake(shown);
    if (shown) socket.retryNow();
  });
  addEventListener("online", () => socket.retryNow());
  void session.resume();
}
