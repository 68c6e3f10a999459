"""Proxies: scores of networks that nobody has trained; each is known by its name."""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch

from fbsearch.errors import InvalidInputError
from fbsearch.proxies.subject import Subject


class Proxy(Protocol):
    """A score of a network, higher where better networks are expected; the same for the same generator."""

    @property
    def name(self) -> str:
        """By which it is asked for: lower-case letters and ``_``."""

    @property
    def label(self) -> str:
        """What it is, in a few words."""

    @property
    def is_random(self) -> bool:
        """Whether it depends on the generator, so that repeats differ."""

    def score(self, subject: Subject, *, generator: torch.Generator, batch_size: int) -> float:
        """The score, a finite number.

        Args:
            subject: the network.
            generator: of every random number; the score is computed on its device.
            batch_size: B, of the images.

        Raises:
            ProxyError: if the network has no such score: it overflows, or is constant.
        """


_Proxy = TypeVar("_Proxy", bound=Proxy)

_PROXIES: dict[str, Proxy] = {}


def register_proxy(proxy: _Proxy) -> _Proxy:
    """Make a proxy known by its name.

    Raises:
        ValueError: if another has this name already.
    """
    if proxy.name in _PROXIES:
        raise ValueError(f"proxy {proxy.name!r} is {_PROXIES[proxy.name].label} already")
    _PROXIES[proxy.name] = proxy
    return proxy


def proxy_names() -> tuple[str, ...]:
    """Names of all proxies, in the order in which they were registered."""
    return tuple(_PROXIES)


def find_proxy(name: str) -> Proxy:
    """The proxy of a name.

    >>> find_proxy("params").is_random
    False

    Raises:
        InvalidInputError: if there is none.
    """
    if name not in _PROXIES:
        raise InvalidInputError(f"{name!r} is no proxy; there are {', '.join(_PROXIES)}")
    return _PROXIES[name]


def expand_names(text: str) -> tuple[str, ...]:
    """The proxies that a text asks for, each once.

    >>> expand_names("zen, params,zen")
    ('zen', 'params')

    Args:
        text: names with commas between them, or ``all``.

    Raises:
        InvalidInputError: if one is no proxy, or there is none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InvalidInputError(f"no proxy is named; give 'all', or some of {', '.join(_PROXIES)}")
    wanted = [one for name in names for one in (_PROXIES if name == "all" else (find_proxy(name).name,))]
    return tuple(dict.fromkeys(wanted))
