// The latest events, live from the socket, above what the orders and signals tell of the time before.
import { useEffect } from "preact/hooks";
import { feed } from "../desk";
import { WALL_TIME, toldByOrder, toldBySignal, withBooks, type FeedEntry } from "../live/feed";
import { Moment, WallMoment } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { useCell } from "../store/hooks";
import { wordsOf } from "./event-words";
import { NextRun } from "./market";
import { useOrders } from "./orders";
import { useSignals } from "./signals";

const SHAPES = { up: "▲", down: "▼", good: "◆", busy: "◐", quiet: "·", bad: "✕" } as const;

/** How many orders and signals the list looks back on. */
const LOOK_BACK = 20;

const newest = (one: FeedEntry, other: FeedEntry) => Date.parse(other.at) - Date.parse(one.at);

export function Events() {
  const entries = useCell(feed);
  const orders = useOrders(LOOK_BACK);
  const signals = useSignals();
  useEffect(() => {
    const told = [...(orders.data?.items.flatMap(toldByOrder) ?? []), ...(signals.data?.items.slice(0, LOOK_BACK).map(toldBySignal) ?? [])];
    feed.set(withBooks(feed.value, told.sort(newest)));
  }, [orders.data, signals.data]);
  const view = entries.length > 0 ? { ...orders, data: entries } : { ...orders, data: orders.data && entries };
  return (
    <Panel title="Events" testid="events" flush view={orders}>
      <Loaded
        view={view}
        what="events"
        rows={6}
        isEmpty={(list) => list.length === 0}
        empty={
          <>
            Nothing has happened yet.
            <NextRun />
          </>
        }
      >
        {(list) => (
          <div class="events" role="log" aria-label="Latest events" tabIndex={0}>
            <ol>
              {list.map((entry) => (
                <EventRow key={entry.id} entry={entry} />
              ))}
            </ol>
          </div>
        )}
      </Loaded>
    </Panel>
  );
}

function EventRow({ entry }: { entry: FeedEntry }) {
  const { tone, head, text } = wordsOf(entry);
  return (
    <li class={`event ${tone}`} data-testid="event-row" data-event={entry.type} data-live={String(entry.live)}>
      <span class="shape" aria-hidden="true">
        {SHAPES[tone]}
      </span>
      <span class="event-words">
        <strong>{head}</strong>
        {text && <span class="soft"> {text}</span>}
      </span>
      {WALL_TIME.has(entry.type) ? <WallMoment at={entry.at} /> : <Moment at={entry.at} />}
    </li>
  );
}
