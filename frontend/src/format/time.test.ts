import { afterEach, expect, test } from "vitest";
import { ageOf, fullMoment, fullWallMoment, localClock, localMoment, marketClock, marketDate, marketMoment, setZone } from "./time";

afterEach(() => setZone(undefined));

const SUMMER = "2012-07-03T13:42:07Z";
const WINTER = "2012-01-04T14:42:07Z";

test("a moment stands in the reader's zone", () => {
  setZone("Europe/Berlin");
  expect([localMoment(SUMMER), localClock(SUMMER), localMoment(WINTER)]).toEqual(["Jul 3, 15:42", "15:42:07", "Jan 4, 15:42"]);
  setZone("Asia/Kolkata");
  expect(localMoment(SUMMER)).toBe("Jul 3, 19:12");
});

test("the market's time is New York's in summer and winter, whatever the reader's zone", () => {
  setZone("Asia/Tokyo");
  expect([marketClock(SUMMER), marketClock(WINTER), marketMoment(WINTER)]).toEqual(["09:42", "09:42", "Jan 4, 2012, 09:42"]);
});

test("the year stands where it is not the one that goes without saying, as the reader's zone has it", () => {
  setZone("America/New_York");
  const eve = "2012-01-01T04:30:00Z";
  expect([localMoment(eve, "2012"), localMoment(eve, "2011"), localMoment(eve)]).toEqual(["Dec 31, 2011, 23:30", "Dec 31, 23:30", "Dec 31, 23:30"]);
  setZone("Europe/Berlin");
  expect(localMoment(eve, "2012")).toBe("Jan 1, 05:30");
});

test("the tooltip has the market's time, then the reader's with its zone, then UTC", () => {
  setZone("Europe/Berlin");
  expect(fullMoment(SUMMER).split("\n")).toEqual(["Tue, Jul 3, 2012, 09:42 New York, market time", "Jul 3, 2012, 15:42:07 GMT+2", SUMMER]);
});

test("a moment of this world has no market time", () => {
  setZone("Europe/Berlin");
  expect(fullWallMoment(WINTER).split("\n")).toEqual(["Jan 4, 2012, 15:42:07 GMT+1", WINTER]);
});

test("an evening in New York belongs to its own day, though it is the next one in UTC", () => {
  expect(marketDate("2012-07-04T03:59:59Z")).toBe("2012-07-03");
});

test("a zone that nobody knows changes nothing", () => {
  setZone("Europe/Berlin");
  setZone("Mars/Olympus");
  expect(localMoment(SUMMER)).toBe("Jul 3, 15:42");
});

test("an age has the largest unit that fits", () => {
  expect([12, 300, 7200, 172_800].map(ageOf)).toEqual(["12 s", "5 min", "2 h", "2 d"]);
});
