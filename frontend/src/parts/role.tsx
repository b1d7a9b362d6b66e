// Who may do what, as the API holds it: each role has the rights of those before it.
import { session } from "../desk";
import { useCell } from "../store/hooks";

type Role = "viewer" | "trader" | "admin";

/** Whether the one who is signed in may; the API decides in the end. What he may not is not shown. */
export const useMay = (role: Role): boolean => mayAs(useCell(session.state).roles, role);

const ORDER: readonly Role[] = ["viewer", "trader", "admin"];

export const mayAs = (roles: readonly string[], needed: Role): boolean =>
  ORDER.slice(ORDER.indexOf(needed)).some((role) => roles.includes(role));
