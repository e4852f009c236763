package org.skinedge.core

import com.sun.management.ThreadMXBean
import java.io.File
import java.lang.management.ManagementFactory
import java.nio.ByteBuffer
import org.json.JSONArray
import org.json.JSONObject

/**
 * Times a 1280 x 720 frame to a 192 x 192 input, on one thread.
 *
 * Arguments: `--frames N` (2000 timed after as many to warm up), `--json FILE`. Other work on the
 * machine makes the times longer; the thread's own processor time leaves out what others used.
 */
fun main(arguments: Array<String>) {
    val options = arguments.toList().chunked(2).associate { it.first() to it.last() }
    val frames = options["--frames"]?.toInt() ?: 2000
    val jvm = System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version")
    println("$jvm on ${cpu()}, $frames frames each")
    println("rotation  pixel stride  fastest     p5  median    p95  processor median ms  p95 of bytes allocated")

    val results = JSONArray()
    for (layout in listOf("planar", "nv21")) {
        val frame = Scene.frame(0, 0, 1280, 720, layout, direct = true)
        for (rotation in listOf(0, 90, 180, 270)) {
            val timing = time(frame, rotation, frames)
            results.put(
                JSONObject()
                    .put("rotation", rotation)
                    .put("pixel_stride", frame.uvPixelStride)
                    .put("fastest_ms", timing.wall(0.0))
                    .put("p5_ms", timing.wall(0.05))
                    .put("median_ms", timing.wall(0.5))
                    .put("p95_ms", timing.wall(0.95))
                    .put("processor_median_ms", timing.processor(0.5))
                    .put("allocated_bytes_p95", timing.allocated(0.95)),
            )
            println(
                "%8d  %12d  %7.2f %6.2f  %6.2f %6.2f  %19.2f  %22d".format(
                    rotation,
                    frame.uvPixelStride,
                    timing.wall(0.0),
                    timing.wall(0.05),
                    timing.wall(0.5),
                    timing.wall(0.95),
                    timing.processor(0.5),
                    timing.allocated(0.95),
                ),
            )
        }
    }
    options["--json"]?.let { path ->
        val report = JSONObject().put("jvm", jvm).put("cpu", cpu()).put("frames", frames).put("results", results)
        File(path).writeText(report.toString(1) + "\n")
    }
}

/** Nanoseconds, and bytes allocated, of each frame. */
private class Timing(frames: Int) {
    val wall = LongArray(frames)
    val processor = LongArray(frames)
    val allocated = LongArray(frames)

    fun wall(share: Double) = quantile(wall, share) / 1e6

    fun processor(share: Double) = quantile(processor, share) / 1e6

    fun allocated(share: Double) = quantile(allocated, share)

    private fun quantile(values: LongArray, share: Double) = values.sorted()[((values.size - 1) * share).toInt()]
}

private fun time(frame: YuvFrame, rotation: Int, frames: Int): Timing {
    val reader = FrameReader(192, 192)
    val input = ByteBuffer.allocateDirect(192 * 192 * 3)
    repeat(frames) { reader.read(frame, rotation, input) }

    val meter = ManagementFactory.getThreadMXBean() as ThreadMXBean
    val thread = Thread.currentThread().id
    val timing = Timing(frames)
    for (i in 0 until frames) {
        val bytes = meter.getThreadAllocatedBytes(thread)
        val processor = meter.currentThreadCpuTime
        val start = System.nanoTime()
        reader.read(frame, rotation, input)
        timing.wall[i] = System.nanoTime() - start
        timing.processor[i] = meter.currentThreadCpuTime - processor
        timing.allocated[i] = meter.getThreadAllocatedBytes(thread) - bytes
    }
    return timing
}

private fun cpu(): String = runCatching {
    File("/proc/cpuinfo").readLines().first { it.startsWith("model name") }.substringAfter(": ")
}.getOrDefault(System.getProperty("os.arch"))
