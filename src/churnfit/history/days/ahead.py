"""Memory asked for before it is needed: a loop that jumps about in a large array then does not wait for it."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["AHEAD", "fetch"]

AHEAD = 32  # turns of a loop in which memory comes; at 8 it is late, at 64 no earlier


@intrinsic  # type: ignore[untyped-decorator]
def fetch(typing_context, array, row):  # type: ignore[no-untyped-def]
    """Ask for the beginning of a `row` >= 0 of a compiled loop's `array`; nothing is read."""

    def asked(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array_type, row_type = signature.args
        made = context.make_array(array_type)(context, builder, arguments[0])
        place = context.cast(builder, arguments[1], row_type, types.intp)
        byte = builder.mul(place, cgutils.unpack_tuple(builder, made.strides, array_type.ndim)[0])
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        where = builder.gep(builder.bitcast(made.data, pointer), [byte])
        wanted = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        to_read, kept_near, data = number(0), number(3), number(1)
        builder.call(
            builder.module.declare_intrinsic("llvm.prefetch", [pointer], wanted), [where, to_read, kept_near, data]
        )
        return context.get_dummy_value()

    return types.void(array, row), asked
