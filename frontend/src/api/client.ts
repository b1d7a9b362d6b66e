// Every request of the page goes through here: same origin, JSON, one error shape.

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly correlationId: string | null = null,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** The field of the request that was refused, where the API names one. */
  get field(): string | null {
    return typeof this.details.field === "string" ? this.details.field : null;
  }
}

/** As long as API Gateway waits for a function, which may have to start. */
const TIMEOUT_MS = 30_000;

export interface Answer {
  status: number;
  text: string;
}

export interface Sent {
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  /** False is content with an answer that the API gave to another some seconds ago. */
  anew?: boolean;
  /** Gives the request up; it then throws an `ApiError` of code `aborted`. */
  signal?: AbortSignal;
}

/** One request. Throws `ApiError` for every answer but 2xx, and with status 0 when there is none. */
export async function call(method: Method, path: string, token?: string, sent: Sent = {}): Promise<Answer> {
  const headers: Record<string, string> = { Accept: "application/json", ...sent.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const request: RequestInit = { method, headers, cache: sent.anew === false ? "default" : "no-store", signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(sent.signal ? [sent.signal] : [])]) };
  if (sent.body !== undefined) {
    headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(sent.body);
  }
  let status: number;
  let text: string;
  try {
    ({ status, text } = await answerOf(method, path, request));
  } catch (error) {
    if (sent.signal?.aborted) throw new ApiError(0, "aborted", `${method} ${path} was given up.`);
    const slow = error instanceof DOMException && error.name === "TimeoutError";
    throw new ApiError(
      0,
      slow ? "timeout" : "unreachable",
      slow
        ? `No answer to ${method} ${path} within ${TIMEOUT_MS / 1000} seconds. Is the stack busy or stopped?`
        : "The API cannot be reached. Check that the stack is running.",
    );
  }
  if (status < 200 || status > 299) throw errorOf(status, text, `${method} ${path}`);
  return { status, text };
}

/** A network that changes, as from one Wi-Fi to another, ends what is under way: a read is then made once more. */
const AGAIN_AFTER_MS = 300;

const answerOf = (method: Method, path: string, request: RequestInit): Promise<Answer> =>
  again(
    () => fetched(path, request),
    () => method === "GET" && !request.signal?.aborted,
  );

/** What `run` gives, at the second try if the first one failed and `may` says so. */
export async function again<T>(run: () => Promise<T>, may: () => boolean = () => true): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!may()) throw error;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
    return run();
  }
}

async function fetched(path: string, request: RequestInit): Promise<Answer> {
  const response = await fetch(path, request);
  return { status: response.status, text: await response.text() };
}

interface Refusal {
  code: string;
  message: string;
  details?: Record<string, unknown> | null;
  correlation_id?: string;
}

/** The API's error body as an `ApiError`; a body of another shape still tells the status. */
function errorOf(status: number, text: string, request: string): ApiError {
  try {
    const { error } = JSON.parse(text) as { error: Refusal };
    if (typeof error.message === "string") {
      return new ApiError(status, error.code, error.message, error.correlation_id ?? null, error.details ?? {});
    }
  } catch {
    // Not our error shape: the answer came from something in front of the API.
  }
  return new ApiError(status, `http_${status}`, `${request} was answered with status ${status}.`);
}
