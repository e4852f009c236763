package org.skinedge.core

import java.nio.Buffer
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Tensor

/**
 * One output of a network: takes the tensor's bytes, gives real numbers.
 *
 * @throws ModelFileException for a tensor that is neither uint8, int8 nor float32
 */
internal class Head(tensor: Tensor) {
    private val type = tensor.dataType()
    private val scale = tensor.quantizationParams().scale
    private val zero = tensor.quantizationParams().zeroPoint

    /** Where the interpreter writes, direct and in native order; on a Buffer, see `ModelFile`. */
    val bytes: ByteBuffer = ByteBuffer.allocateDirect(tensor.numBytes()).order(ByteOrder.nativeOrder())
    private val cursor: Buffer = bytes

    init {
        if (type != DataType.UINT8 && type != DataType.INT8 && type != DataType.FLOAT32) {
            throw ModelFileException("the model returns $type; SkinEdge reads uint8, int8 and float32")
        }
    }

    /** To be called before the interpreter writes: it appends at the position. */
    fun rewind() {
        cursor.rewind()
    }

    /** Dequantizes all values, as many as the tensor has. */
    fun read(into: FloatArray) {
        when (type) {
            DataType.FLOAT32 -> for (i in into.indices) into[i] = bytes.getFloat(4 * i)
            DataType.UINT8 -> for (i in into.indices) into[i] = ((bytes.get(i).toInt() and 0xff) - zero) * scale
            else -> for (i in into.indices) into[i] = (bytes.get(i) - zero) * scale
        }
    }
}
