// Who is signed in. The access token lives in this object alone; the refresh token is an HttpOnly
// cookie that only the server sees.
import { ApiError, call, type Answer, type Method, type Sent } from "./client";
import type { Session } from "./bodies";
import { Cell } from "../store/cell";

export type Phase = "starting" | "signed-out" | "signed-in" | "expired";

export interface SessionState {
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
    this.take((await call("POST", "/api/auth/sign-in", undefined, { body: { username, password } })).text);
    this.cameIn = true;
  }

  async signOut(): Promise<void> {
    const token = this.token;
    clearTimeout(this.timer);
    this.token = "";
    localStorage.removeItem(HELD);
    this.state.set(OUT);
    try {
      await call("POST", "/api/auth/sign-out", token);
    } catch (error) {
      this.state.set({ ...OUT, notice: error as ApiError });
    }
  }

  /** A request with the token; renews it once when the server no longer takes it. */
  async request(method: Method, path: string, sent: Sent = {}): Promise<Answer> {
    const used = this.token;
    try {
      return await call(method, path, used, sent);
    } catch (error) {
      if ((error as ApiError).status !== 401 || this.state.value.phase !== "signed-in") throw error;
    }
    if (this.token === used) await this.renewOrExpire();
    return call(method, path, this.token, sent);
  }

  private async renewOrExpire(): Promise<void> {
    try {
      await this.renew();
    } catch (error) {
      if ((error as ApiError).status === 401) {
        this.token = "";
        this.state.set({ ...this.state.value, phase: "expired", notice: null });
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
