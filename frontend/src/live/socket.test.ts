import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { LiveEvent } from "../api/bodies";
import { ANSWER_WITHIN_MS, LONGEST_WAIT_MS, LiveSocket, PING_EVERY_MS, parseFrame, waitBefore, type Connection, type Wire } from "./socket";

class FakeWire implements Wire {
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  sent: string[] = [];
  closed = false;
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.closed = true;
  }
}

let wires: FakeWire[];
let tickets: string[];
let events: LiveEvent[];
let connections: Connection[];
let refuse: boolean;
let socket: LiveSocket;

/** The newest socket that was opened. */
const last = (): FakeWire => wires[wires.length - 1]!;

beforeEach(() => {
  vi.useFakeTimers();
  wires = [];
  tickets = [];
  events = [];
  connections = [];
  refuse = false;
  socket = new LiveSocket(
    {
      ticket: () => (refuse ? Promise.reject(new Error("no")) : Promise.resolve(`ticket-${tickets.length}`)),
      open: (ticket) => {
        tickets.push(ticket);
        wires.push(new FakeWire());
        return last();
      },
      onEvent: (event) => events.push(event),
      onConnection: (connection) => connections.push(connection),
    },
    () => 1,
  );
});

afterEach(() => {
  socket.stop();
  vi.useRealTimers();
});

async function open(): Promise<void> {
  socket.start();
  await vi.advanceTimersByTimeAsync(0);
  last().onopen?.();
}

describe("the live socket", () => {
  test("hands on events and keeps pongs to itself", async () => {
    await open();
    last().onmessage?.({ data: '{"type":"OrderFilled","at":"2010-03-03T14:30:00Z","detail":{"id":"f1"}}' });
    last().onmessage?.({ data: '{"type":"Pong"}' });
    last().onmessage?.({ data: "not json" });
    expect(events.map((event) => event.type)).toEqual(["OrderFilled"]);
    expect(connections).toEqual(["live"]);
  });

  test("tells what is watched, what changed of it, and all of it again after a loss", async () => {
    socket.watch(["prices:AAPL", "prices:IBM"]);
    await open();
    socket.watch(["prices:IBM", "prices:GOOG"]);
    socket.watch(["prices:GOOG", "prices:IBM"]);
    expect(last().sent.map((text) => JSON.parse(text) as unknown)).toEqual([
      { action: "subscribe", topics: ["prices:AAPL", "prices:IBM"] },
      { action: "unsubscribe", topics: ["prices:AAPL"] },
      { action: "subscribe", topics: ["prices:GOOG"] },
    ]);
    last().onmessage?.({ data: '{"type":"Watching","detail":{"topics":[]}}' });
    expect(events).toEqual([]);
    last().onclose?.();
    await vi.advanceTimersByTimeAsync(500);
    last().onopen?.();
    expect(last().sent.map((text) => JSON.parse(text) as unknown)).toEqual([{ action: "subscribe", topics: ["prices:GOOG", "prices:IBM"] }]);
  });

  test("asks for what it missed after the last event it saw, and hands each on once", async () => {
    const frame = (id: string) => ({ type: "OrderFilled", at: "2010-03-03T14:30:00Z", detail: { id } });
    await open();
    last().onmessage?.({ data: JSON.stringify(frame("f1")) });
    last().onmessage?.({ data: JSON.stringify(frame("f1")) });
    last().onclose?.();
    await vi.advanceTimersByTimeAsync(500);
    last().onopen?.();
    expect(last().sent.map((text) => JSON.parse(text) as unknown)).toEqual([{ action: "resume", after: "f1" }]);
    last().onmessage?.({ data: JSON.stringify({ type: "Resumed", detail: { complete: true, events: [frame("f1"), frame("f2")] } }) });
    expect(events.map((event) => event.detail.id)).toEqual(["f1", "f2"]);
    last().onmessage?.({ data: JSON.stringify({ type: "Resumed", detail: { complete: false, events: [] } }) });
    last().onclose?.();
    await vi.advanceTimersByTimeAsync(500);
    last().onopen?.();
    expect(last().sent).toEqual([]);
  });

  test("comes back with a fresh ticket after a loss", async () => {
    await open();
    last().onclose?.();
    expect(socket.connection).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(500);
    last().onopen?.();
    expect(tickets).toEqual(["ticket-0", "ticket-1"]);
    expect(connections).toEqual(["live", "reconnecting", "live"]);
  });

  test("says polling after repeated failures and still tries, ever less often", async () => {
    refuse = true;
    socket.start();
    await vi.advanceTimersByTimeAsync(500 + 1000 + 2000);
    expect(connections).toEqual(["reconnecting", "polling"]);
    refuse = false;
    await vi.advanceTimersByTimeAsync(4000);
    last().onopen?.();
    expect(socket.connection).toBe("live");
  });

  test("that is stopped while it opens is closed once it is open, which a browser does without an error", async () => {
    socket.start();
    await vi.advanceTimersByTimeAsync(0);
    socket.stop();
    expect(last().closed).toBe(false);
    last().onopen?.();
    expect(last().closed).toBe(true);
    expect(connections).toEqual([]);
  });

  test("replaces a socket that is open but mute", async () => {
    await open();
    const mute = last();
    await vi.advanceTimersByTimeAsync(PING_EVERY_MS);
    expect(mute.sent).toEqual(['{"action":"ping"}']);
    await vi.advanceTimersByTimeAsync(ANSWER_WITHIN_MS);
    expect(mute.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(500);
    expect(wires).toHaveLength(2);
  });

  test("ignores a late word from the socket it has replaced", async () => {
    await open();
    const old = last();
    old.onclose?.();
    await vi.advanceTimersByTimeAsync(500);
    last().onopen?.();
    old.onmessage?.({ data: '{"type":"OrderFilled","detail":{}}' });
    old.onclose?.();
    expect(events).toEqual([]);
    expect(socket.connection).toBe("live");
  });

  test("opens nothing once stopped, even when a ticket was under way", async () => {
    socket.start();
    socket.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(wires).toHaveLength(0);
  });
});

test("waits double from half a second to half a minute", () => {
  expect([1, 2, 3, 4].map((failures) => waitBefore(failures, 1))).toEqual([500, 1000, 2000, 4000]);
  expect(waitBefore(50, 1)).toBe(LONGEST_WAIT_MS);
  expect(waitBefore(1, 0)).toBe(400);
});

test("a frame without a type is no event", () => {
  expect(parseFrame('{"detail":{}}')).toBeNull();
  expect(parseFrame("null")).toBeNull();
  expect(parseFrame(new ArrayBuffer(2))).toBeNull();
});
