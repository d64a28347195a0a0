/** The page: asks the server for a clip, plays it, and offers its files and a link to it. */
import { Player } from "../player/player.js";
import { WORDS, pickLanguage } from "../player/words.js";

const SEEDS = 2 ** 31;
const at = (id) => document.getElementById(id);
const player = new Player(at("player"), WORDS.en);
let words = WORDS.en;
let offered = null; // what GET /languages said
let shown = null; // the answer on the page

/** A word that each alphabet spells, for a page that has just been opened. */
const EXAMPLES = {
  asl: "hello", gsl: "hallo", dsgs: "schnee", tsl: "merhaba", lsf_ch: "bonjour", lis_ch: "ciao", lsa: "hola", ksl: "안녕",
};

function speak(language) {
  words = WORDS[language];
  document.documentElement.lang = language;
  document.title = words.title;
  at("page-language").value = language;
  for (const part of document.querySelectorAll("[data-word]")) part.textContent = words[part.dataset.word];
  for (const part of document.querySelectorAll("[data-label]")) part.setAttribute("aria-label", words[part.dataset.label]);
  player.translate(words);
  tell("");
  offerLanguages();
  if (shown) head();
}

/** The name of a sign language in the page's language; one added later has its English name. */
function nameOf(code) {
  return words[code] ?? offered.languages.find((language) => language.code === code)?.name ?? code;
}

function offerLanguages() {
  if (!offered) return;
  const chosen = at("language").value || preferred();
  at("language").replaceChildren(...offered.languages.map(({ code }) => new Option(nameOf(code), code)));
  at("language").value = chosen;
}

/** The sign language of the page's language, or the first that the model has. */
function preferred() {
  const spoken = document.documentElement.lang;
  const base = (tag) => tag.split("-")[0];
  const found = offered.languages.find((language) => language.spoken === spoken)
    ?? offered.languages.find((language) => base(language.spoken) === base(spoken));
  return (found ?? offered.languages[0]).code;
}

/**
 * Asks for what was typed; a failure is not told where nobody has typed it. A seed names one of a
 * text's clips, where the model has several.
 */
async function ask(typed = at("text").value, quiet = false, seed = 0) {
  const wanted = { typed, language: at("language").value, ...(seed ? { seed } : {}) };
  performance.mark("asked");
  tell(words.working);
  at("submit").setAttribute("aria-disabled", "true");
  try {
    const answer = await fetch("produce", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(wanted),
    });
    const said = await answer.json();
    if (answer.ok) show({ ...said, clip: unpacked(said.clip) }, wanted, quiet);
    else if (quiet) tell("");
    else if (answer.status === 429) refuse(words.busy);
    else {
      const told = words[`no_${said.kind}`];
      refuse(told ?? words.refused, told ? "" : said.error, answer.status === 422 ? said.kind : null);
    }
  } catch {
    if (!quiet) refuse(words.offline);
  }
  at("submit").removeAttribute("aria-disabled");
}

/** Clears the stage, says why, and offers the nearest thing that works. */
function refuse(problem, detail = "", kind = null) {
  at("result").hidden = true;
  shown = null;
  player.pause();
  tell("", problem, detail);
  if (kind === null) return;
  const typed = at("text").value;
  const plain = typed.replace(/[\p{N}]/gu, " ").replace(/\s+/g, " ").trim();
  const nearest = {
    digits: /\p{L}/u.test(plain) ? plain : "", long: typed.trim().split(/\s+/)[0].slice(0, 12),
  }[kind] || EXAMPLES[at("language").value];
  if (!nearest) return;
  at("instead").textContent = words.instead.replace("{text}", () => nearest);
  at("instead").dataset.text = nearest;
  at("way-out").hidden = false;
}

/** A clip as the player takes it, from one whose numbers are packed. */
function unpacked(clip) {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const numbers = new DataView(bytes(clip.positions).buffer);
  const seen = bytes(clip.confidence);
  const joints = clip.joints.length;
  const each = (count, make) => Array.from({ length: count }, (_, index) => make(index));
  const at = (place) => clip.scale * numbers.getInt16(2 * place, true);
  return {
    ...clip,
    positions: each(clip.frames, (time) => each(joints, (joint) => (
      each(3, (axis) => at(3 * (time * joints + joint) + axis))))),
    confidence: each(clip.frames, (time) => each(joints, (joint) => seen[time * joints + joint] / 255)),
  };
}

/** Says how it stands, what is wrong, and the server's own words for it, which are English. */
function tell(status, problem = "", detail = "") {
  at("status").textContent = status;
  const english = document.createElement("span");
  english.lang = "en";
  english.textContent = detail;
  at("problem").replaceChildren(...(problem ? [`${problem} `, english] : []));
  at("way-out").hidden = true;
}

function show(said, wanted, quiet) {
  shown = said;
  at("result").hidden = false;
  at("another").hidden = !offered.languages.find(({ code }) => code === said.language)?.draws;
  head();
  player.load(said.clip);
  performance.mark("shown");
  at("downloads").replaceChildren(...offered.formats.map((format) => {
    const link = document.createElement("a");
    link.href = `clip?${new URLSearchParams({ ...wanted, language: said.language, format })}`;
    link.download = "";
    link.textContent = `.${format}`;
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
  at("language").value = said.language; // a question may have named another
  if (!quiet) history.replaceState(null, "", `#${new URLSearchParams(wanted)}`);
  const gone = said.given_way.length ? words.givenWay.replace("{marks}", () => said.given_way.join(" ")) : "";
  const endless = said.clip.ended ? "" : words.endless;
  const ready = words.ready.replace("{seconds}", said.seconds.toFixed(1));
  tell([ready, endless, gone].filter(Boolean).join(" "));
}

/** The letters of a spelled clip, `h-e-l-l-o w-o-r-l-d`; nothing where it is signed. */
function spelling({ cues }) {
  if (!cues.length || !cues.every(({ spelled }) => spelled)) return "";
  const found = [];
  for (const { word, label } of cues) (found[word] ??= []).push(label);
  return found.filter(Boolean).map((letters) => letters.join("-")).join(" ");
}

function head() {
  const language = offered.languages.find(({ code }) => code === shown.language);
  const letters = spelling(shown.clip);
  const text = document.createElement("bdi");
  text.textContent = letters || shown.text;
  text.lang = language.spoken;
  const said = (letters ? words.spelled : words.signed)
    .replace("{alphabet}", () => language.short).replace("{language}", () => nameOf(shown.language));
  const [before, after] = said.split("{text}");
  at("heading").replaceChildren(before, text, after);
  at("gloss").hidden = !shown.gloss;
  at("gloss").lastElementChild.textContent = shown.gloss ?? "";
}

/** Asks for what a shared link says, after the #. */
function follow() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const text = wanted.get("typed") ?? wanted.get("text") ?? wanted.get("prompt");
  if (!text) return null;
  at("text").value = text;
  const language = wanted.get("language") ?? "";
  if ([...at("language").options].some((option) => option.value === language)) at("language").value = language;
  const seed = Number(wanted.get("seed"));
  return ask(text, false, Number.isSafeInteger(seed) && seed > 0 && seed < SEEDS ? seed : 0);
}

/** Asks for the clip on the page by another signer; the link says which one. */
function another() {
  if (at("submit").hasAttribute("aria-disabled")) return;
  const wanted = new URLSearchParams(location.hash.slice(1));
  wanted.set("seed", (Number(wanted.get("seed")) + 1) % SEEDS);
  location.hash = wanted;
}

async function share() {
  try {
    await navigator.clipboard.writeText(location.href);
    tell(words.copied);
  } catch { // no clipboard without a secure connection
    tell(location.href);
  }
}

at("page-language").append(...Object.entries(WORDS).map(([code, { name }]) => {
  const option = new Option(name, code);
  option.lang = code;
  return option;
}));
at("page-language").addEventListener("change", (event) => speak(event.target.value));
at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!at("submit").hasAttribute("aria-disabled")) ask();
});
at("share").addEventListener("click", share);
at("another").addEventListener("click", another);
at("instead").addEventListener("click", () => {
  at("text").value = at("instead").dataset.text;
  ask();
});
speak(pickLanguage(navigator.languages));
try {
  offered = await (await fetch("languages")).json();
  offerLanguages();
  addEventListener("hashchange", follow);
  await (follow() ?? ask(EXAMPLES[at("language").value] ?? "", true));
  document.body.dataset.ready = "";
} catch {
  tell("", words.offline);
}
