// What the pages do beyond showing: times in the reader's zone, charts to zoom into, live updates, copying, completion.
// Everything works without it but these. No page has a script of its own.
"use strict";
(() => {
  const two = (n) => String(n).padStart(2, "0");
  const stamp = (at) =>
    `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ` +
    `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "your zone";
  const all = (root, selector) => [
    ...(root.matches?.(selector) ? [root] : []),
    ...root.querySelectorAll(selector),
  ];

  /** Times are sent in UTC; that stays on hover. */
  function times(root) {
    for (const time of all(root, "time[datetime]")) {
      const at = new Date(time.dateTime);
      if (time.dataset.local || Number.isNaN(at.getTime())) continue;
      time.dataset.local = "true";
      time.title = `${time.textContent} UTC`;
      time.textContent = stamp(at);
    }
    const said = /^(Etc\/)?UTC$/.test(zone) ? "Times are in UTC." : `Times are in ${zone}; UTC on hover.`;
    for (const words of all(root, "[data-zone]")) words.textContent = said;
  }

  /** A button beside what is made to be pasted elsewhere. */
  function copies(root) {
    if (!navigator.clipboard) return;
    for (const from of all(root, "[data-copy]")) {
      if (from.nextElementSibling?.classList.contains("copy")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "copy";
      button.setAttribute("aria-label", `copy ${from.dataset.copy || "this"}`);
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(from.textContent);
          button.textContent = "copied";
        } catch {
          button.textContent = "not allowed";
        }
        setTimeout(() => (button.textContent = "copy"), 1500);
      });
      from.after(button);
    }
  }

  // Charts. The server draws bars; here they become something to zoom into. `data-chart` has columns of equal length:
  // at (ms), machines, crashes, and low and high where it is known what was to be expected.
  const charts = new Map();
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const thin = (n) => (n == null ? "" : String(n).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f"));

  // Of a long stretch each day once, hours between.
  const labels = (seconds, long) => {
    let last;
    return seconds.map((s) => {
      const at = new Date(s * 1000);
      const day = `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
      if (!long || day === last) return `${two(at.getHours())}:${two(at.getMinutes())}`;
      return (last = day);
    });
  };

  function chart(figure) {
    const plot = figure.querySelector(".plot");
    if (!plot || charts.has(figure) || typeof uPlot === "undefined") return;
    const data = JSON.parse(figure.dataset.chart);
    const expected = Array.isArray(data.low);
    const step = (data.at[1] - data.at[0]) / 1000 || 60;
    const columns = [data.at.map((ms) => ms / 1000), data.machines];
    if (expected) columns.push(data.high, data.low);
    const alarm = figure.closest(".alarm");
    const long = data.at[data.at.length - 1] - data.at[0] > 2 * 86_400_000;
    const ink = () => css(alarm ? "--bad" : "--bar");
    const axis = { stroke: () => css("--quiet"), grid: { stroke: () => css("--grid"), width: 1 }, ticks: { show: false } };
    const series = [
      { value: (_, s) => (s == null ? "" : stamp(new Date(s * 1000))) },
      {
        label: "machines",
        stroke: ink,
        fill: ink,
        width: 0,
        points: { show: false },
        paths: uPlot.paths.bars({ size: [0.8, 48], align: 1 }),
        value: (_, n) => thin(n),
      },
    ];
    if (expected) {
      const line = { stroke: () => css("--quiet"), width: 1, dash: [4, 4], points: { show: false } };
      series.push({ ...line, label: "expected at most", value: (_, n) => thin(n && Math.round(n)) });
      series.push({ ...line, label: "at least", value: (_, n) => thin(n && Math.round(n)) });
    }
    // A bar stands to the right of its moment: the last one needs room behind it.
    const last = columns[0][columns[0].length - 1];
    const size = () => ({ width: Math.max(200, figure.clientWidth), height: window.innerWidth < 640 ? 150 : 210 });
    const most = Math.max(2, ...data.machines, ...(expected ? data.high : []));
    const drawn = new uPlot(
      {
        ...size(),
        legend: { live: true },
        cursor: { drag: { x: true, y: false, setScale: true } },
        scales: { x: { time: true, range: (_, min, max) => [min, max === last ? last + step : max] }, y: { range: (_, __, max) => [0, Math.max(2, (max ?? most) * 1.08)] } },
        bands: expected ? [{ series: [2, 3], fill: () => css("--band") }] : [],
        axes: [{ ...axis, size: 30, values: (_, seconds) => labels(seconds, long) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((n) => (Number.isInteger(n) ? thin(n) : "")) }],
        series,
        hooks: {
          draw: [
            (u) => {
              const { ctx, bbox } = u;
              ctx.save();
              ctx.strokeStyle = ctx.fillStyle = css("--ink");
              ctx.font = `${11 * devicePixelRatio}px system-ui`;
              ctx.setLineDash([4, 3]);
              for (const [ms, letter] of data.marks) {
                const x = u.valToPos(ms / 1000, "x", true);
                if (x < bbox.left || x > bbox.left + bbox.width) continue;
                ctx.beginPath();
                ctx.moveTo(x, bbox.top);
                ctx.lineTo(x, bbox.top + bbox.height);
                ctx.stroke();
                ctx.fillText(letter, x + 3, bbox.top + 11 * devicePixelRatio);
              }
              ctx.restore();
            },
          ],
        },
      },
      columns,
      // Where the bars of the server stood.
      (u, init) => {
        plot.after(u.root);
        init();
      },
    );
    plot.hidden = true;
    figure.querySelector(".axis")?.append(" Drag to zoom, double click to go back.");
    charts.set(figure, drawn);
    new ResizeObserver(() => drawn.setSize(size())).observe(figure);
    drawn.root.setAttribute("aria-hidden", "true");
    figure.dataset.step = step;
  }

  function drawCharts(root) {
    for (const [figure, drawn] of charts) {
      if (!figure.isConnected) {
        drawn.destroy();
        charts.delete(figure);
      }
    }
    for (const figure of all(root, "figure[data-chart]")) chart(figure);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((drawn) => drawn.redraw()));

  // Live updates. The server says that something has changed; the page asks for itself again and takes the parts with an
  // id of `data-live`. What is being read stays: parts with focus, a selection or the pointer in them wait, and what
  // grows above moves nothing below.
  const isZoomed = (drawn) => {
    const [at] = drawn.data;
    return drawn.scales.x.min > at[0] || drawn.scales.x.max < at[at.length - 1];
  };
  const busy = (part) => {
    const selection = getSelection();
    return (
      part.contains(document.activeElement) ||
      part.querySelector(":hover, .u-over:hover") !== null ||
      [...charts].some(([figure, drawn]) => part.contains(figure) && isZoomed(drawn)) ||
      (selection && !selection.isCollapsed && part.contains(selection.anchorNode))
    );
  };
  let anchor = null;
  let asked = 0;

  function live() {
    const main = document.querySelector("main[data-live]");
    const state = document.getElementById("live");
    if (!main || !state || typeof EventSource === "undefined" || typeof htmx === "undefined") return;
    const say = (words, kind) => {
      state.textContent = words;
      state.className = `badge ${kind}`;
    };
    let waiting = null;
    const ask = () => {
      waiting = null;
      if (document.hidden) return;
      asked = Date.now();
      htmx.trigger(document.body, "live");
    };
    const soon = () => {
      waiting ??= setTimeout(ask, Math.max(0, asked + 2000 - Date.now()));
    };
    const events = new EventSource("/live");
    events.addEventListener("open", () => say("live", "good"));
    events.addEventListener("changed", soon);
    events.addEventListener("error", () => say("reconnecting", "warn"));
    document.addEventListener("visibilitychange", soon);
    // Time passes even where nothing crashes: the window moves.
    setInterval(soon, 30_000);
  }

  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const part = event.detail.target;
    if (busy(part)) {
      event.detail.shouldSwap = false;
      return;
    }
    // What stands at the top of the window, below this part, shall stay there.
    if (anchor === null && window.scrollY > 0) {
      const below = [...document.querySelectorAll("main [id]")].find((one) => one.getBoundingClientRect().bottom > 60);
      anchor = below ? { id: below.id, top: below.getBoundingClientRect().top } : null;
    }
  });
  function keepPlace() {
    const now = anchor && document.getElementById(anchor.id)?.getBoundingClientRect().top;
    if (typeof now === "number" && now !== anchor.top) window.scrollBy(0, now - anchor.top);
  }
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    enhance(document.getElementById(event.detail.target.id) || event.detail.target);
    // uPlot gives its charts their height only when this is over.
    queueMicrotask(keepPlace);
  });
  document.addEventListener("htmx:afterSettle", () => (anchor = null));
  document.addEventListener("htmx:sendError", () => {
    const state = document.getElementById("live");
    if (state) state.textContent = "reconnecting";
  });

  /** Completion of what is typed into the search box; the server knows keys and values. */
  function completion(root) {
    for (const input of all(root, "input[data-complete]")) {
      if (input.dataset.completing) continue;
      input.dataset.completing = "true";
      const list = document.createElement("datalist");
      list.id = `${input.id}-list`;
      input.after(list);
      input.setAttribute("list", list.id);
      let timer = null;
      let under = null;
      input.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(async () => {
          under?.abort();
          under = new AbortController();
          const query = new URLSearchParams({ q: input.value, at: input.selectionStart ?? input.value.length });
          try {
            const answer = await fetch(`${input.dataset.complete}?${query}`, { signal: under.signal });
            if (!answer.ok) return;
            const found = await answer.json();
            list.replaceChildren(
              ...found.suggestions.map((one) => {
                const option = document.createElement("option");
                option.value = one.query;
                option.label = one.machines == null ? one.hint : `${one.hint}, ${thin(one.machines)} machines`;
                return option;
              }),
            );
          } catch (error) {
            if (error.name !== "AbortError") console.warn("completion", error);
          }
        }, 120);
      });
    }
  }

  function enhance(root) {
    times(root);
    copies(root);
    drawCharts(root);
    completion(root);
  }
  document.addEventListener("DOMContentLoaded", () => {
    enhance(document.body);
    live();
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable;
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      document.getElementById("find")?.focus();
    }
  });
})();
