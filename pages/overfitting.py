"""What does weight decay do to a network that memorises?"""

import streamlit as st

from wdviz.experiments import overfitting
from wdviz.pool import PoolFull
from wdviz.ui import controls, live, panels, prose, stage, words

st.title("What does weight decay do to a network that memorises?", anchor=False)


@st.fragment
def lab() -> None:
    """The decay control, the runs it asks for, and their pictures: all that must follow the slider at once."""
    answer = st.container(key="answer")
    with st.container(key="decay_control", border=True):
        slider, readout = st.columns([3, 2], vertical_alignment="center")
        with slider:
            controls.control("decay")
        chosen, notes = controls.settings()
        readout.markdown(words.shrink(chosen))
    for note in notes:
        st.warning(note)
    try:
        results, sweep = live.follow(overfitting.pairs(chosen))
    except (ValueError, PoolFull) as error:
        answer.error(f"Nothing was trained: {error}.")
        return
    comparison = overfitting.compare(chosen, results)
    assert comparison is not None
    if comparison.split.one_class:
        st.warning("All training labels are of one class: there is nothing to tell apart. Use more points or another seed.")
    answer.markdown(words.answer(comparison))
    done = len(comparison.without.histories)
    stage.stage(
        panels.overfitting(comparison, test_points=st.session_state.get("test_points", False)),
        key="stage",
        status="" if done == chosen.seeds else f"{words.seeds(done)} of {chosen.seeds}" + live.time_left(sweep),
        result=live.name_of(chosen, done),
        more=done < chosen.seeds,
    )
    st.toggle("Show test points", key="test_points", bind="query-params")


lab()
controls.sidebar(overfitting.SUGGESTED)
prose.sections("overfitting", controls.put)
