// @ts-check
// All that a meeting needs and the lobby does not: loaded when somebody is about to join.

import { setUpControls } from "./controls.js";
import { drawn } from "./state.js";
import { setUpTalk } from "./talk.js";
import { drawMeeting } from "./view.js";

export { sayRefusal, Visit } from "./visit.js";

setUpControls();
setUpTalk();
drawn(drawMeeting);
