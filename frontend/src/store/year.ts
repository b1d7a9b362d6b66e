// The market's year, in the reader's zone: it goes without saying in times of the market. Empty until it is known.
import { Cell } from "./cell";

export const marketYear = new Cell("");
