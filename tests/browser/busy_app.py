"""The app, on a server that test_busy.py can make busy or full: the file that BUSY names says which."""

import os
import threading
import time
from pathlib import Path

import streamlit as st

from wdviz import pool as pools
from wdviz import runs
from wdviz.serving import assembly
from wdviz.ui import live

live.PATIENT_S = 0.5
state = Path(os.environ["BUSY"])


class Held:
    """Keeps a worker as long as the file says that the server is busy."""

    def execute(self) -> bool:
        while state.read_text() == "busy":
            time.sleep(0.01)
        return True


def steer() -> None:
    """Follow the file."""
    pool, limits = runs.pool(), {True: pools.URGENT_LIMIT, False: pools.QUEUE_LIMIT}
    done = ""
    while True:
        word = state.read_text()
        if word != done:
            pool._limits = {True: 0, False: 0} if word == "full" else limits
            if word == "busy":
                for session in range(3 * pool.workers):  # all workers, all spare ones, and some who wait
                    pool.start([Held()], f"other {session}", urgent=True)
            done = word
        time.sleep(0.01)


threading.Thread(target=steer, daemon=True).start()
app = st.App(assembly.ROUTER, **assembly.around())
