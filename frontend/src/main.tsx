// The entry of the dashboard.
import { render } from "preact";
import { App } from "./app";
import { open } from "./desk";
import "./styles/page.css";

open();
render(<App />, document.getElementById("page")!);
