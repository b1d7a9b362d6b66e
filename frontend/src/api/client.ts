// Every request of the page goes through here: same origin, JSON, one error shape.

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly correlationId: string | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

const TIMEOUT_MS = 15_000;

export interface Answer {
  status: number;
  text: string;
}

/** One request. Throws `ApiError` for every answer but 2xx, and with status 0 when there is none. */
export async function call(method: "GET" | "POST" | "DELETE", path: string, token?: string, body?: unknown): Promise<Answer> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const request: RequestInit = { method, headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) };
  if (body !== undefined) request.body = JSON.stringify(body);
  let status: number;
  let text: string;
  try {
    const response = await fetch(path, request);
    status = response.status;
    text = await response.text();
  } catch (error) {
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

/** The API's error body as an `ApiError`; a body of another shape still tells the status. */
function errorOf(status: number, text: string, request: string): ApiError {
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string; correlation_id?: string } };
    if (typeof error.message === "string") {
      return new ApiError(status, error.code, error.message, error.correlation_id ?? null);
    }
  } catch {
    // Not our error shape: the answer came from something in front of the API.
  }
  return new ApiError(status, `http_${status}`, `${request} was answered with status ${status}.`);
}
