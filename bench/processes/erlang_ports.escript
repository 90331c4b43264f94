%% SPDX-License-Identifier: MIT
%%
%% Two external programs behind Erlang's ports: erlang_ports.escript <program> <workload> <count> prints one number.
-mode(compile).

main([Program, Workload, Count]) ->
    timer:apply_after(30000, erlang, halt, [1]),
    Ports = [open_port({spawn_executable, Program}, [{packet, 4}, binary]) || _ <- [1, 2]],
    N = list_to_integer(Count),
    [2 = call(hd(Ports), 1) || _ <- lists:seq(1, 300)],
    case Workload of
        "process_calls" -> io:format("~.3f~n", [calls(Ports, N)]);
        "process_latency" -> io:format("~.3f~n", [latency(hd(Ports), N)]);
        _ -> halt(3)
    end.

call(Port, Number) ->
    port_command(Port, <<Number:64>>),
    answer().

answer() ->
    receive {_, {data, <<Number:64>>}} -> Number end.

%% Calls a second: all are sent, then all answers taken.
calls([One, Other], N) ->
    Begin = erlang:monotonic_time(nanosecond),
    send(N, One, Other),
    Sum = take(N, 0),
    Time = erlang:monotonic_time(nanosecond) - Begin,
    Sum = N * (N + 1) div 2 + N,
    N * 1.0e9 / Time.

send(0, _, _) -> ok;
send(N, Next, Other) ->
    port_command(Next, <<N:64>>),
    send(N - 1, Other, Next).

take(0, Sum) -> Sum;
take(N, Sum) -> take(N - 1, Sum + answer()).

%% One call at a time: the median, in microseconds.
latency(Port, N) ->
    Times = [begin
                 Begin = erlang:monotonic_time(nanosecond),
                 2 = call(Port, 1),
                 erlang:monotonic_time(nanosecond) - Begin
             end || _ <- lists:seq(1, N)],
    lists:nth(N div 2 + 1, lists:sort(Times)) / 1000.
