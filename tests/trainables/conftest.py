import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """As a trial computes: thread counts change float32 results, and two threads on a busy machine crawl."""
    torch.set_num_threads(1)
