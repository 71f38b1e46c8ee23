"""What each page shows on its stage: results in, a `Scene` out. One module a page, `common` for what they share.

How a page is put together:

- Its entry in `wdviz.ui.contents` names its `groups` of jobs and the `scene` made of a `Following` of them (`.results`, `.done`, `.more`,
  `.progress`, `.total`); `finely` says that the scene can use a part of a group. `groups` are cached (`lru_cache(maxsize=32)`) by what
  bears on them, so that one rerun after the other meets the same job objects: building hundreds of runs takes longer than looking them up.
- `page.show` does what all pages do alike: it follows the jobs, adds the notes, the things to notice and the view options, and leaves
  out views that are not on the screen while there is more to come. A page with options of its own (pages/tuning.py) passes a `compose`.
- The `answer` is Markdown, what a view or a slider says is plain text.
- `controls.shown(name)` is a view option; `controls.opened(what)` whether the test set may be looked at.
- A scene of a long sweep has `progress=following.progress`, `more=following.more`, no `status`; `film` and `points` stay empty
  without playback and without points to edit; `result=live.name_of(...)` must change with every new result: a
  test, and the browser, tell by it what is painted.
- `common.slider` works for every number of every table; `Offer` is a button that puts settings; a figure whose layout has `meta.put`
  can be clicked (see `wdviz.ui.stage`). A heat map without `meta.kind == "decision"` is drawn by plotly.js; its z is 2-D float32.
- An error becomes a text in place of the scene: ValueError as it says itself, a full or busy server with the place in the line, and any
  other one as an id under which the log has it. The last picture stays.
- README.md ("Add a page") lists all that a page consists of.
"""
