"""The host's own functions: channels, functions of steps, hooks and actions that it registers with an engine."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Unpack, overload

from pydantic import BaseModel, JsonValue

from whereupon.api.config import with_action, with_address
from whereupon.api.device_calls import DeviceCalls
from whereupon.api.inbox_calls import InboxCalls
from whereupon.api.report_calls import ReportCalls
from whereupon.delivery.action_calls import Handler, Registration, fault_finder
from whereupon.delivery.channel_policy import ChannelOptions, policy_of
from whereupon.delivery.functions import (
    Function,
    FunctionOptions,
    as_channel,
    check_function,
    check_name,
    function_policy,
)
from whereupon.delivery.host_code import check_callable, check_runs
from whereupon.delivery.monitor import Hook
from whereupon.messages.semantic_events import Action
from whereupon.ports import Attachable, BatchSender, Channel, Sender, Tracer
from whereupon.records import Request
from whereupon.rules.steps.run import channel_of


class HostFunctions(DeviceCalls, InboxCalls, ReportCalls):
    """The calls that register functions of the host."""

    @overload
    def channel(
        self, name: str, **policy: Unpack[ChannelOptions]
    ) -> Callable[[Channel], Channel]: ...

    @overload
    def channel(
        self, name: str, sender: Sender | BatchSender | Channel, **policy: Unpack[ChannelOptions]
    ) -> None: ...

    def channel(
        self,
        name: str,
        sender: Sender | BatchSender | Channel | None = None,
        **policy: Unpack[ChannelOptions],
    ) -> Callable[[Channel], Channel] | None:
        """Register a channel of that name: ``send: NAME`` hands deliveries to it.

        A channel gets one `Delivery`, or several if it has `send_many`. If it raises, the delivery is tried
        again later (`RetryLater` says when) or never (`GiveUp`). It is called at least once for each delivery,
        and again, under the same idempotency key, if nobody knows whether the first call ended. An ``async``
        function runs on an event loop of the engine's. A delivery for a name without a channel is held until
        some process has that channel.

        Args:
            sender: an object with `send` or `send_many`, such as those of `whereupon.channels`, or a function.
                Without it this is a decorator of the function.
            policy: how it is called (see `ChannelOptions`); what is not said, the channel may say itself.

        Raises:
            TypeError: it cannot be called, or it is a class, or a generator, which does nothing when it is
                called.
            ValueError: a value of the policy is wrong.
        """
        self._check_open()
        options = policy

        def register(function: Channel) -> Channel:
            _check_is_no_class(function)
            self._add_channel(name, function, options, function)
            return function

        if sender is None:
            return register
        _check_is_no_class(sender)
        if isinstance(sender, BatchSender) or callable(sender):
            self._add_channel(name, sender, options, sender)
        elif isinstance(sender, Sender):
            self._add_channel(name, sender.send, options, sender)
        else:
            message = f"a channel is a function, or has send or send_many; this is {type(sender).__name__}"
            raise TypeError(message)
        return None

    def _close_channels(self) -> None:
        """Close the channels that were attached; one that fails harms no other."""
        for channel in self._attached:
            close = getattr(channel, "close", None)
            if close is not None:
                with suppress(Exception):
                    close()

    def _add_channel(
        self, name: str, channel: Channel | BatchSender, options: ChannelOptions, owner: object
    ) -> None:
        check_callable(channel.send_many if isinstance(channel, BatchSender) else channel)
        policy = policy_of(name, options, owner)
        if isinstance(owner, Attachable):
            owner.attach(self)
            self._attached.append(owner)
        if self.pipeline.settings.addresses.get(name) != policy.address:
            self._current.change(
                lambda pipeline: pipeline.with_settings(
                    with_address(pipeline.settings, name, policy.address)
                )
            )
        self._workers.dispatcher.register(name, channel, policy)
        self._work.wake_up()

    @overload
    def function(
        self, name: str, **policy: Unpack[FunctionOptions]
    ) -> Callable[[Function], Function]: ...

    @overload
    def function(
        self, name: str, function: Function, **policy: Unpack[FunctionOptions]
    ) -> None: ...

    def function(
        self, name: str, function: Function | None = None, **policy: Unpack[FunctionOptions]
    ) -> Callable[[Function], Function] | None:
        """Register a function that the step ``run: NAME`` calls, and whose result later steps read.

        It gets a `Delivery`: `person` and `recipient` (the person's attributes as they are now), `content`
        (what stands under ``with``) and `facts` (of the message that opened the entry). It returns any JSON
        value of at most 32 KB; what is not JSON fails the call for good. The entry waits until the function
        has returned, or the call is given up. It is called as a channel is (see `channel`): at least once for
        each entry, again with the same idempotency key if it raises, and not at all if it is unknown here.
        An ``async`` function runs on an event loop of the engine's.

        Args:
            function: without it this is a decorator of the function.
            policy: how it is called (see `FunctionOptions`).

        Raises:
            TypeError: it cannot be called, or is a class or a generator; there is no such option.
            ValueError: no rule could name it, or a value of the policy is wrong.
        """
        self._check_open()
        options = policy

        def register(function: Function) -> Function:
            check_function(name, function)
            self._workers.dispatcher.register(
                channel_of(name), as_channel(name, function), function_policy(name, options)
            )
            self._work.wake_up()
            return function

        if function is None:
            check_name(name)
            return register
        register(function)
        return None

    def stand_in(self, results: Mapping[str, JsonValue]) -> None:
        """Wait for no call of a step from now on, as in a replay or a test: each counts as made at once.

        Args:
            results: what functions return, by their names; null for every other.
        """
        self._check_open()
        given = dict(results)
        self._current.change(
            lambda pipeline: pipeline.with_settings(replace(pipeline.settings, stand_ins=given))
        )

    def on(self, event: str, hook: Hook) -> None:
        """Call a function whenever this happens to a delivery or to an action of the host's.

        ``delivery-sent``, ``delivery-failed`` (one try), ``delivery-dead`` and ``delivery-withheld`` give
        the `Delivery` as it is afterwards. ``action-ran``, ``action-failed`` and ``action-dead`` give the
        `Request`. ``channel-down`` (a channel begins to rest) and ``channel-up`` (it works again) give the
        `ChannelState`. The function is called in one of the engine's threads, after the commit; it should be
        quick. An exception that it raises is logged. The log says the same, under the keys ``event``,
        ``rule``, ``channel``, ``attempt`` and ``key``.

        Raises:
            UnknownNameError: there is no such event.
        """
        check_runs(hook)
        self._monitor.on(event, hook)

    def trace(self, tracer: Tracer) -> None:
        """Have spans made of what the engine does: batches of messages, rounds of due work, and calls.

        Args:
            tracer: such as `whereupon.contrib.opentelemetry.instrument` makes.
        """
        self._monitor.tracer = tracer

    def action(
        self,
        name: str,
        *,
        destructive: bool,
        properties: type[BaseModel] | None = None,
        events: Sequence[str] = (),
        needs_user: bool = True,
        undo: Handler | None = None,
        timeout: timedelta = timedelta(seconds=30),
    ) -> Callable[[Handler], Handler]:
        """Register a function that carries out an action of the host's, guarded like the built-in ones.

        `run_due` calls it after the commit, at least once: again, later and later, until it returns, with
        the same ``idempotency_key`` each time. A replay never calls it.

        Args:
            name: the action, and the exact name of the event that asks for it.
            destructive: whether every guard has a say. If not, the action must only be known and the
                person identified.
            properties: a pydantic model; a message whose properties do not fit is refused.
            events: the names of the events, if they differ from ``name``.
            needs_user: whether the message must carry a user id.
            undo: a function that takes the action back, for `undo`.
            timeout: a call that takes longer counts as failed, though it may still end.

        Raises:
            ValueError: the name is taken.
            TypeError: the function is ``async``, as with `channel`.
        """
        self._check_open()

        def register(function: Handler) -> Handler:
            for called in (function, undo or function):
                check_runs(called)
            action = Action(
                name,
                tuple(events) or (name,),
                needs_user=needs_user,
                destructive=destructive,
                fault_in=fault_finder(properties) if properties is not None else None,
                handled=True,
            )
            self._current.change(
                lambda pipeline: pipeline.with_settings(
                    with_action(pipeline.settings, action, pipeline.index.book)
                )
            )
            registration = Registration(action, function, properties, undo, timeout)
            self._workers.actions.register(registration)
            return function

        return register

    def undo(self, request: int, *, by: str) -> Request:
        """Take back what an action of the host's did, by the function registered as its ``undo``.

        Args:
            request: the request's number.
            by: who decides it, by name.

        Raises:
            UnknownNameError: there is no such request.
            RequestError: that person may not decide it (``no-actor``, ``not-allowed``), the action did not
                run here or cannot be taken back (``no-undo``), or the function failed (``undo-failed``).
        """
        self.requests.check_decider(request, by=by)
        return self._workers.actions.undo(request, by=by)


def _check_is_no_class(channel: object) -> None:
    """Refuse a class: to call it makes an object and sends nothing, and the delivery would count as sent.

    Raises:
        TypeError: it is one.
    """
    if isinstance(channel, type):
        message = f"a channel is an object, and this is its class: write {channel.__name__}(...)"
        raise TypeError(message)
