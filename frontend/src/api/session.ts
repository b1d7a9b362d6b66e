// Who is signed in. The access token lives in this object alone; the refresh token is an HttpOnly
// cookie that only the server sees.
import { ApiError, call, type Answer, type Method, type Sent } from "./client";
import type { Session } from "./bodies";
import { Cell } from "../store/cell";

type Phase = "starting" | "signed-out" | "signed-in" | "expired";

interface SessionState {
  phase: Phase;
  username: string;
  roles: readonly string[];
  notice: ApiError | null;
}

/** Tells a later load that there may be a session to go on with; it holds no secret. */
const HELD = "alpaquero-session";

const OUT: SessionState = { phase: "signed-out", username: "", roles: [], notice: null };

export class SessionKeeper {
  readonly state = new Cell<SessionState>({ ...OUT, phase: "starting" });
  private token = "";
  private renewal: Promise<void> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Given up with the session: what only reads is of no use without it. */
  private life = new AbortController();
  private readonly commands = new Set<Promise<unknown>>();
  private leaving: Promise<void> | null = null;
  /** Whether the user came in through the door, not by the cookie of an earlier load. */
  cameIn = false;

  /** On load: goes on with the session of the cookie, if this browser may hold one. */
  async resume(): Promise<void> {
    if (localStorage.getItem(HELD) === null) return this.state.set(OUT);
    try {
      await this.renew();
    } catch (error) {
      // 401 is the ordinary answer once the cookie is too old.
      this.state.set({ ...OUT, notice: (error as ApiError).status === 401 ? null : (error as ApiError) });
    }
  }

  /** Throws `ApiError` with the server's own words when refused. */
  async signIn(username: string, password: string): Promise<void> {
    // The answer to a sign-out takes the cookie away, also one that came after it was asked.
    await this.leaving;
    this.take((await call("POST", "/api/auth/sign-in", undefined, { body: { username, password } })).text);
    this.cameIn = true;
  }

  /** Nothing is read from here on; the session ends once the commands under way were answered. */
  signOut(): Promise<void> {
    this.end(OUT);
    clearTimeout(this.timer);
    localStorage.removeItem(HELD);
    const token = this.token;
    this.token = "";
    this.leaving ??= this.leave(token).finally(() => {
      this.leaving = null;
    });
    return this.leaving;
  }

  private async leave(token: string): Promise<void> {
    await Promise.allSettled([...this.commands, this.renewal]);
    try {
      await call("POST", "/api/auth/sign-out", token);
    } catch (error) {
      this.state.set({ ...OUT, notice: error as ApiError });
    }
  }

  /** Gives up whatever only reads; nothing begins until the next sign-in. */
  private end(state: SessionState): void {
    this.state.set(state);
    this.life.abort();
    this.life = new AbortController();
  }

  /** A request with the token; renews it once when the server no longer takes it. It is given up with the session if it only reads. */
  async request(method: Method, path: string, sent: Sent = {}): Promise<Answer> {
    if (method === "GET") return this.ask(method, path, { ...sent, signal: this.whileSignedIn(sent.signal) });
    const command = this.ask(method, path, sent);
    this.commands.add(command);
    return command.finally(() => this.commands.delete(command));
  }

  /** A signal that gives up with the session, and with `signal`. */
  whileSignedIn(signal?: AbortSignal): AbortSignal {
    return signal ? AbortSignal.any([this.life.signal, signal]) : this.life.signal;
  }

  private async ask(method: Method, path: string, sent: Sent): Promise<Answer> {
    this.refuseUnlessSignedIn(method, path);
    const used = this.token;
    try {
      return await call(method, path, used, sent);
    } catch (error) {
      if ((error as ApiError).status !== 401 || this.state.value.phase !== "signed-in") throw error;
    }
    if (this.token === used) await this.renewOrExpire();
    this.refuseUnlessSignedIn(method, path);
    return call(method, path, this.token, sent);
  }

  private refuseUnlessSignedIn(method: Method, path: string): void {
    if (this.state.value.phase !== "signed-in") throw new ApiError(0, "aborted", `${method} ${path} was given up: nobody is signed in.`);
  }

  private async renewOrExpire(): Promise<void> {
    try {
      await this.renew();
    } catch (error) {
      if ((error as ApiError).status === 401) {
        this.token = "";
        this.end({ ...this.state.value, phase: "expired", notice: null });
      }
      throw error;
    }
  }

  /** One refresh at a time, however many requests ask for it. */
  private renew(): Promise<void> {
    this.renewal ??= call("POST", "/api/auth/refresh")
      .then((answer) => {
        // A renewal that was under way when the user signed out must not sign in again.
        if (this.state.value.phase !== "signed-out") this.take(answer.text);
      })
      .finally(() => {
        this.renewal = null;
      });
    return this.renewal;
  }

  private take(text: string): void {
    const session = JSON.parse(text) as Session;
    this.token = session.access_token;
    localStorage.setItem(HELD, "1");
    clearTimeout(this.timer);
    const wait = Math.max(5, session.expires_in_seconds * 0.8) * 1000;
    this.timer = setTimeout(() => void this.renewOnTime(), wait);
    this.state.set({ phase: "signed-in", username: session.username, roles: session.roles, notice: null });
  }

  private async renewOnTime(): Promise<void> {
    try {
      await this.renewOrExpire();
    } catch {
      // Expired is shown by its phase; unreachable is retried by the next request that meets a 401.
    }
  }
}
